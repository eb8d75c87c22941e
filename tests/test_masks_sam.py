"""segment-anything's own library and architecture with seeded random weights: what it is asked, and
what it answers. Whether a mask is right is not to be known from random weights."""

import os
import subprocess
import sys
import time
import zipfile
from functools import partial
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest

from cousins.errors import MissingDependencyError, UsageError
from cousins.masks import Prompt, checkpoint, lent, masker
from cousins.masks.sam import Sam, _library, _model

if find_spec("torch") is None or find_spec("segment_anything") is None:
    pytest.skip("needs segment-anything and torch: cousins[sam]", allow_module_level=True)
import torch

SMALL = (96, 2, 2, [1])  # width, depth, heads and global blocks of an encoder, for speed
PROMPTS = (
    Prompt(np.array([[100.0, 80.0], [140.0, 120.0]]), np.array([60.0, 50.0, 220.0, 200.0])),
    Prompt(np.array([[200.0, 150.0]])),
    Prompt(np.array([[20.0, 300.0]]), np.array([0.0, 250.0, 90.0, 358.0])),
    Prompt(np.array([[201.0, 153.0]])),
)


def network(size):
    """Meta's architecture with seeded random weights."""
    _library()
    torch.manual_seed(0)
    return import_module("segment_anything.build_sam")._build_sam(*size)


@pytest.fixture(scope="module")
def model():
    return network(SMALL)


@pytest.fixture(scope="module")
def file(model, tmp_path_factory):
    file = tmp_path_factory.mktemp("sam") / "any_name.pth"
    torch.save(model.state_dict(), file)
    return file


def picture(height, width):
    """Discs on a slope, with noise: no two places look alike."""
    y, x = np.mgrid[:height, :width]
    slope = np.stack([x / width, y / height, np.hypot(x - 90, y - 60) < 50], 2) * 200
    return (slope + np.random.default_rng(0).uniform(0, 40, (height, width, 3))).astype(np.uint8)


@pytest.mark.parametrize(("height", "width"), [(640, 480), (359, 641), (1200, 1500)])
def test_it_answers_as_the_library_does_when_asked_the_same_one_by_one(model, file, height, width):
    view = picture(height, width)
    found = masker("sam", file)(view, PROMPTS)
    assert found.masks.shape == (8, height, width)
    assert found.masks.dtype == bool
    assert found.prompt.tolist() == [0, 1, 1, 1, 2, 3, 3, 3]
    predictor = _library().SamPredictor(model)
    predictor.set_image(view)
    for i, prompt in enumerate(PROMPTS):
        masks, scores, _ = predictor.predict(
            prompt.points, np.ones(len(prompt.points)), prompt.box, multimask_output=i % 2 == 1
        )
        mine = found.prompt == i
        assert (found.masks[mine] != masks).mean() < 1e-4  # sums in a batch round otherwise
        np.testing.assert_allclose(found.score[mine], np.clip(scores, 0, 1), atol=1e-4)
    assert 0.01 < found.masks.mean() < 0.99


def test_where_a_box_lies_reaches_the_network(file):
    view = picture(359, 641)
    near, far = (
        Prompt(np.array([[x + 40.0, 150.0]]), np.array([x, 100.0, x + 80, 200.0]))
        for x in (50.0, 500.0)
    )
    found = Sam(file)(view, [near, far])
    assert (found.masks[0] != found.masks[1]).any()


def test_the_same_twice_and_a_view_of_a_larger_array_is_no_matter(file):
    view = picture(400, 300)
    first, second = (Sam(file)(view, PROMPTS) for _ in range(2))
    mirrored = Sam(file)(view[:, ::-1][:, ::-1], PROMPTS)
    for other in (second, mirrored):
        np.testing.assert_array_equal(first.masks, other.masks)
        np.testing.assert_array_equal(first.score, other.score)


def test_one_prompt_and_none(file):
    view = picture(64, 48)
    found = Sam(file)(view, [Prompt(np.array([[10.0, 10.0]]))])
    assert found.masks.shape == (3, 64, 48)
    nothing = Sam(file)(view, [])
    assert nothing.masks.shape == (0, 64, 48)


def test_a_picture_is_embedded_once(file, monkeypatch):
    calls = []
    encoder = _model(file, Sam(file).stamp, "cpu").image_encoder
    handle = encoder.register_forward_hook(lambda *_: calls.append(1))
    generator = _library().SamAutomaticMaskGenerator
    few = partial(generator, points_per_side=2, pred_iou_thresh=-9.0, stability_score_thresh=0.0,
                  box_nms_thresh=1.1)  # fmt: skip
    monkeypatch.setattr(_library(), "SamAutomaticMaskGenerator", few)
    found = Sam(file, everything=True)(picture(300, 400), PROMPTS)
    handle.remove()
    assert len(calls) == 1
    # All masks of the grid are kept with such settings, and nobody asked for them.
    assert found.prompt.tolist() == [0, 1, 1, 1, 2, 3, 3, 3] + [-1] * 12
    assert found.masks.shape == (20, 300, 400)
    assert ((found.score >= 0) & (found.score <= 1)).all()


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is found")
def test_without_a_gpu_only_what_was_asked_for_is_answered(file):
    assert (Sam(file)(picture(64, 64), PROMPTS[1:2]).prompt == 0).all()


def test_a_device_that_is_not_there_is_one_line(file):
    for name in ("abacus", "meta", ""):
        with pytest.raises(UsageError, match=f"no device '{name}'"):
            Sam(file, name)(picture(64, 64), PROMPTS)
    with pytest.raises(UsageError, match="no CUDA GPU for device 'cuda:99'"):
        Sam(file, "cuda:99")(picture(64, 64), PROMPTS)


@pytest.mark.parametrize(("kind", "size"), [
    ("vit_b", (768, 12, 12, (2, 5, 8, 11))), ("vit_l", (1024, 24, 16, (5, 11, 17, 23))),
    ("vit_h", (1280, 32, 16, (7, 15, 23, 31))),
])  # fmt: skip
def test_the_weights_tell_which_network_they_are_of(kind, size, tmp_path):
    with torch.device("meta"):
        weights = _library().sam_model_registry[kind]().state_dict()
    found = checkpoint.encoder(weights, tmp_path)
    assert (found.width, found.depth, found.heads, found.everywhere) == size


class Evil:
    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def refused(file):
    with pytest.raises(MissingDependencyError) as error:
        Sam(file)(picture(64, 64), PROMPTS)
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(f"{file}: not a checkpoint of segment-anything: ")
    assert "sam_vit_b_01ec64.pth (375 MB)" in message
    return message


@pytest.mark.parametrize("share", [0, 1e-4, 0.5, 0.999])
def test_a_checkpoint_that_is_cut_short_is_one_line(file, tmp_path, share):
    data = file.read_bytes()
    short = tmp_path / "sam_vit_b_01ec64.pth"
    short.write_bytes(data[: int(len(data) * share)])
    assert "cut short" in refused(short)


def test_damaged_weights_are_one_line(file, tmp_path):
    data = bytearray(file.read_bytes())
    data[len(data) // 3 :: 4] = b"\xff" * len(data[len(data) // 3 :: 4])
    bad = tmp_path / "bad.pth"
    bad.write_bytes(data)
    refused(bad)


def test_code_in_a_checkpoint_is_not_run(model, tmp_path):
    made, bad = tmp_path / "made", tmp_path / "bad.pth"
    for whole in (Evil(made), {**model.state_dict(), "more": Evil(made)}):
        torch.save(whole, bad)
        assert "more than weights" in refused(bad)
        torch.save(whole, bad, _use_new_zipfile_serialization=False)
        refused(bad)
        with zipfile.ZipFile(bad, "a") as archive:  # of two layouts at once
            archive.writestr("archive/data.pkl", b"")
        assert "no checkpoint of torch" in refused(bad)
        assert not made.exists()


def others():
    yield "nothing", {}
    yield "a list", [torch.zeros(3)]
    yield "another network", {"weight": torch.zeros(3)}
    yield "SAM 2", {"model": {"image_encoder.trunk.pos_embed": torch.zeros(3)}}
    yield "not finite", {"weight": torch.full((3,), np.nan)}
    yield "a claim", {"weight": torch.zeros(1).expand(10**12)}
    yield "sparse", {"weight": torch.zeros(3).to_sparse()}


@pytest.mark.parametrize("held", [pytest.param(held, id=name) for name, held in others()])
def test_weights_of_something_else_are_one_line(held, tmp_path):
    torch.save(held, tmp_path / "other.pth")
    refused(tmp_path / "other.pth")


@pytest.mark.parametrize("change", ["lacking", "more", "other shape", "no depth", "no heads"])
def test_weights_that_do_not_fit_the_architecture_are_one_line(model, change, tmp_path):
    weights = dict(model.state_dict())
    table = "image_encoder.blocks.0.attn.rel_pos_h"
    if change == "lacking":
        del weights["mask_decoder.iou_token.weight"]
    elif change == "more":
        weights["mask_decoder.hf_token.weight"] = torch.zeros(1, 256)
    elif change == "other shape":
        weights["mask_decoder.iou_token.weight"] = torch.zeros(2, 256)
    elif change == "no depth":
        del weights[table]
    else:
        weights[table] = torch.zeros(27, 0)
    torch.save(weights, tmp_path / "other.pth")
    assert "another network" in refused(tmp_path / "other.pth")


def test_weights_of_half_precision_are_read(model, tmp_path):
    torch.save({name: w.half() for name, w in model.state_dict().items()}, tmp_path / "half.pth")
    found = Sam(tmp_path / "half.pth")(picture(64, 64), PROMPTS[1:2])
    assert found.masks.shape == (3, 64, 64)


@pytest.mark.skipif(find_spec("torchvision") is not None, reason="torchvision is installed")
def test_nothing_goes_by_torchvisions_name_afterwards(file):
    Sam(file)(picture(64, 64), PROMPTS[1:2])
    assert not [name for name in sys.modules if name.partition(".")[0] == "torchvision"]
    assert find_spec("torchvision") is None


BROKEN = 'raise RuntimeError("operator torchvision::nms does not exist")'
LOAD = (
    "import sys; from cousins.masks.sam import _library; _library();"
    "from segment_anything.utils.transforms import resize;"
    "print(resize.__module__, 'torchvision' in sys.modules)"
)


@pytest.mark.parametrize(("init", "functions", "expected"), [
    (BROKEN, "", "cousins.masks.lent False"), ("", BROKEN, "cousins.masks.lent False"),
    ("", "def resize(): pass\ndef to_pil_image(): pass\ndef batched_nms(): pass\n"
     "def box_area(): pass", "torchvision.transforms.functional True"),
])  # fmt: skip
def test_a_broken_torchvision_is_survived_and_a_sound_one_is_used(
    tmp_path, init, functions, expected
):
    package = tmp_path / "torchvision"
    for name, text in (("__init__", init), ("ops/__init__", ""), ("transforms/__init__", ""),
                       ("ops/boxes", functions), ("transforms/functional", functions)):  # fmt: skip
        file = package / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    done = subprocess.run([sys.executable, "-c", LOAD], capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": path})  # fmt: skip
    assert done.stdout.strip() == expected, done.stderr


@pytest.mark.parametrize(("size", "to"), [((48, 64), (768, 1024)), ((900, 1600), (576, 1024))])
def test_the_lent_resize_is_pillows(size, to):
    image = pytest.importorskip("PIL.Image")
    view = picture(*size)
    theirs = np.asarray(image.fromarray(view).resize(to[::-1], image.Resampling.BILINEAR))
    mine = lent.resize(lent.to_pil_image(view), to)
    assert mine.shape == theirs.shape
    assert np.abs(mine.astype(int) - theirs).max() <= 1


def test_the_lent_suppression_keeps_the_best_of_those_that_overlap():
    boxes = torch.tensor([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10], [0, 0, 10, 10.0]])
    scores = torch.tensor([0.5, 0.9, 0.1, 0.7])
    same, apart = torch.zeros(4), torch.tensor([0, 0, 0, 1])
    assert lent.batched_nms(boxes, scores, same, 0.7).tolist() == [1, 2]
    assert lent.batched_nms(boxes, scores, same, 0.9).tolist() == [1, 3, 2]
    assert lent.batched_nms(boxes, scores, apart, 0.7).tolist() == [1, 3, 2]
    assert lent.batched_nms(boxes[:0], scores[:0], same[:0], 0.7).tolist() == []
    assert lent.box_area(boxes).tolist() == [100.0] * 4


@pytest.mark.slow
def test_the_true_vit_b_answers_fifty_prompts(tmp_path):
    file = tmp_path / "sam_vit_b.pth"
    torch.save(network((768, 12, 12, [2, 5, 8, 11])).state_dict(), file)
    centres = np.random.default_rng(0).uniform(60, 400, (50, 2))
    prompts = [Prompt(c[None], np.concatenate([c - 50, c + 50])) for c in centres]
    settings = Sam(file, everything=False)
    start = time.perf_counter()
    found = settings(picture(480, 640), prompts)
    print(f"vit_b, 50 prompts with its loading: {time.perf_counter() - start:.1f} s")
    assert found.masks.shape == (50, 480, 640)
