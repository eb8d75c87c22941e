"""SAM and SAM 2 of transformers, small and with seeded random weights, from a local folder."""

import json
import os
import shutil
import socket
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from cousins.errors import MissingDependencyError
from cousins.masks import Prompt, masker
from cousins.masks.hf_sam import Frame, HfSam, _network

if find_spec("torch") is None or find_spec("transformers") is None:
    pytest.skip("needs transformers and torch: cousins[hf-sam]", allow_module_level=True)
import torch
import transformers

SIDE = 128
KINDS = ["sam", "sam2", "sam2_video"]
PROMPTS = (
    Prompt(np.array([[30.0, 40.0], [50.0, 44.0]]), np.array([20.0, 30.0, 90.0, 80.0])),
    Prompt(np.array([[100.0, 60.0]])),
    Prompt(np.array([[9.0, 70.0]]), np.array([0.0, 50.0, 30.0, 90.0])),
    Prompt(np.array([[101.0, 63.0]])),
)


def small(kind):
    prompt = dict(hidden_size=32, image_size=SIDE, patch_size=16, mask_input_channels=8)
    decoder = dict(hidden_size=32, mlp_dim=64, iou_head_hidden_dim=32)
    parts = dict(prompt_encoder_config=prompt, mask_decoder_config=decoder)
    if kind == "sam":
        vision = dict(hidden_size=32, output_channels=32, num_hidden_layers=2, image_size=SIDE,
                      num_attention_heads=2, window_size=4, global_attn_indexes=[1],
                      num_pos_feats=16, mlp_dim=64)  # fmt: skip
        config = transformers.SamConfig(vision_config=vision, **parts)
        return transformers.SamModel(config)
    vision = dict(
        backbone_config=dict(
            model_type="sam2_hiera_det_model", hidden_size=12, image_size=[SIDE, SIDE],
            embed_dim_per_stage=[12, 24, 48, 96],
        ),
        backbone_channel_list=[96, 48, 24, 12], fpn_hidden_size=32,
        backbone_feature_sizes=[[SIDE // s, SIDE // s] for s in (4, 8, 16)],
    )  # fmt: skip
    if kind == "sam2":
        config = transformers.Sam2Config(vision_config=vision, **parts)
        return transformers.Sam2Model(config)
    config = transformers.Sam2VideoConfig(
        vision_config=vision, **parts, image_size=SIDE, memory_attention_hidden_size=32,
        memory_attention_feed_forward_hidden_size=32, memory_encoder_hidden_size=32,
        memory_encoder_output_channels=16, mask_downsampler_embed_dim=32,
        memory_fuser_embed_dim=32, memory_fuser_intermediate_dim=64,
        memory_attention_rope_feat_sizes=[8, 8],
    )  # fmt: skip
    return transformers.Sam2VideoModel(config)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}
    for kind in KINDS:
        torch.manual_seed(0)
        model = small(kind).eval()
        # As they are first drawn, weights are too small to tell one place from another.
        for weight in model.parameters():
            if weight.ndim > 1:
                torch.nn.init.normal_(weight, std=1 / np.sqrt(weight[0].numel()))
        made[kind] = tmp_path_factory.mktemp(kind)
        model.save_pretrained(made[kind])
    return made


@pytest.fixture
def copy(folders, tmp_path):
    return shutil.copytree(folders["sam"], tmp_path / "copy")


def picture(height, width):
    y, x = np.mgrid[:height, :width]
    slope = np.stack([x / width, y / height, np.hypot(x - 60, y - 50) < 30], 2) * 200
    return (slope + np.random.default_rng(0).uniform(0, 40, (height, width, 3))).astype(np.uint8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("height", "width"), [(160, 120), (89, 161), (128, 128), (300, 400)])
def test_it_answers_as_the_model_does_when_asked_the_same_one_by_one(folders, kind, height, width):
    view = picture(height, width)
    found = masker("hf-sam", folders[kind])(view, PROMPTS)
    assert found.masks.shape == (8, height, width)
    assert found.masks.dtype == bool
    assert found.prompt.tolist() == [0, 1, 1, 1, 2, 3, 3, 3]
    for i, prompt in enumerate(PROMPTS):
        masks, scores = plainly(folders[kind], kind, view, prompt)
        mine = found.prompt == i
        assert (found.masks[mine] != masks).mean() < 0.002
        np.testing.assert_allclose(found.score[mine], np.clip(scores, 0, 1), atol=1e-3)
    assert 0.01 < found.masks.mean() < 0.99


def plainly(folder, kind, view, prompt):
    """What the model says of one prompt, asked as transformers' processors would."""
    name = "SamModel" if kind == "sam" else "Sam2Model"
    model = getattr(transformers, name).from_pretrained(folder)
    height, width = view.shape[:2]
    if kind == "sam":
        scale = SIDE / max(height, width)
        tall, wide = round(height * scale), round(width * scale)
    else:
        tall = wide = SIDE
    grown = torch.nn.functional.interpolate
    pixels = torch.from_numpy(view.copy()).permute(2, 0, 1)[None]
    pixels = grown(pixels, (tall, wide), mode="bilinear", antialias=True).float() / 255
    pixels -= torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    pixels /= torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    pixels = torch.nn.functional.pad(pixels, (0, SIDE - wide, 0, SIDE - tall))
    ratio = np.array([wide / width, tall / height])
    asked = {"input_points": torch.tensor((prompt.points * ratio)[None, None]).float()}
    if prompt.box is not None:
        asked["input_boxes"] = torch.tensor((prompt.box * np.tile(ratio, 2))[None, None]).float()
    with torch.no_grad():
        told = model(pixels, multimask_output=prompt.box is None, **asked)
    logits = told.pred_masks[0]
    if kind == "sam":
        logits = grown(logits, (SIDE, SIDE), mode="bilinear")[..., :tall, :wide]
    masks = grown(logits, (height, width), mode="bilinear")[0] > 0
    return masks.numpy(), told.iou_scores[0, 0].numpy()


@pytest.mark.parametrize(("height", "width"), [(160, 120), (89, 161), (300, 400)])
def test_pictures_and_masks_go_through_as_through_its_own_processor(folders, height, width):
    own = pytest.importorskip("transformers.models.sam.image_processing_pil_sam")
    processor = own.SamImageProcessorPil(
        size={"longest_edge": SIDE}, pad_size={"height": SIDE, "width": SIDE}
    )
    told = processor(picture(height, width), return_tensors="np")
    network = _network(folders["sam"], HfSam(folders["sam"]).stamp, "cpu")
    frame = Frame.of((height, width), network.side, network.padded)
    assert frame.filled == tuple(told["reshaped_input_sizes"][0])
    mine = network.pixels(picture(height, width), frame).numpy()
    levels = np.abs(mine - told["pixel_values"]) * 255 * 0.229
    assert levels.max() < 2.1  # both round after each of two passes
    assert levels.mean() < 0.1


def test_a_folder_may_tell_its_own_colours(folders, copy):
    view = picture(100, 120)
    before = HfSam(folders["sam"])(view, PROMPTS[:1])
    (copy / "preprocessor_config.json").write_text('{"image_mean": [0, 0, 0]}')
    assert (HfSam(copy)(view, PROMPTS[:1]).score != before.score).all()


@pytest.mark.parametrize("text", [
    '{"image_mean": [1, 2]}', '{"image_std": [0, 1, 1]}', '{"image_std": {"a": 1}}',
    '{"image_mean": [NaN, 0, 0]}', "{",
])  # fmt: skip
def test_colours_that_make_no_sense_are_one_line(copy, text):
    (copy / "preprocessor_config.json").write_text(text)
    assert "preprocessor_config.json" in refused(copy)


@pytest.mark.parametrize("kind", KINDS)
def test_one_prompt_and_none_and_the_same_twice(folders, kind):
    view = picture(80, 100)
    settings = HfSam(folders[kind])
    assert settings(view, []).masks.shape == (0, 80, 100)
    first, second = (settings(view, PROMPTS[1:2]) for _ in range(2))
    assert first.masks.shape == (3, 80, 100)
    np.testing.assert_array_equal(first.masks, second.masks)
    np.testing.assert_array_equal(first.score, second.score)


def test_nothing_is_asked_of_the_network_nor_told_on_the_screen(copy, monkeypatch, capfd):
    def connect(*_):
        raise AssertionError("it reaches for the network")

    monkeypatch.setattr(socket.socket, "connect", connect)
    HfSam(copy)(picture(80, 100), PROMPTS[:1])
    assert capfd.readouterr() == ("", "")


def refused(folder):
    with pytest.raises(MissingDependencyError) as error:
        HfSam(folder)(picture(80, 100), PROMPTS)
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(f"{folder}: no checkpoint of SAM or SAM 2: ")
    assert "facebook/sam-vit-base (375 MB)" in message
    return message


@pytest.mark.parametrize("share", [0, 1e-4, 0.5, 0.999])
def test_weights_that_are_cut_short_are_one_line(copy, share):
    file = copy / "model.safetensors"
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    refused(copy)


def test_weights_of_something_else_are_one_line(copy, folders):
    shutil.copy(folders["sam2"] / "model.safetensors", copy / "model.safetensors")
    refused(copy)


@pytest.mark.parametrize("change", [
    {"vision_config": {"hidden_size": 64}}, {"vision_config": {"num_hidden_layers": 3}},
    {"vision_config": {"hidden_size": "wide"}}, {"vision_config": 3},
    {"mask_decoder_config": {"hidden_size": 1}}, {"prompt_encoder_config": {"image_size": 64}},
])  # fmt: skip
def test_a_config_of_other_weights_is_one_line(copy, change):
    file = copy / "config.json"
    told = json.loads(file.read_text())
    for name, value in change.items():
        told[name] = {**told[name], **value} if isinstance(value, dict) else value
    file.write_text(json.dumps(told))
    refused(copy)


def test_pickled_weights_are_not_read(copy):
    (copy / "model.safetensors").unlink()
    torch.save({}, copy / "pytorch_model.bin")
    with pytest.raises(MissingDependencyError, match=r"no model\.safetensors there"):
        HfSam(copy)


def test_a_broken_torchvision_is_no_traceback(folders, tmp_path):
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text('raise RuntimeError("no operator torchvision::nms")')
    code = (
        "import sys, numpy as np; from cousins.errors import CousinsError;"
        "from cousins.masks import Prompt; from cousins.masks.hf_sam import HfSam\n"
        "try: HfSam(sys.argv[1])(np.zeros((60, 80, 3), np.uint8), [Prompt(np.ones((1, 2)))])\n"
        "except CousinsError as error: print(error)\n"
        "else: print('works')"
    )
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    command = [sys.executable, "-c", code, str(folders["sam"])]
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": path})  # fmt: skip
    assert done.stdout.count("\n") == 1, done.stderr
    assert done.stdout == "works\n" or "pip uninstall torchvision" in done.stdout
