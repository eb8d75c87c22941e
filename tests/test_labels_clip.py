"""CLIP and SigLIP from a folder: tiny models with weights that are drawn; nothing is fetched."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from cousins.errors import LabelError, MissingDependencyError
from cousins.labels import clip, labeler
from cousins.labels.categories import categories
from cousins.labels.clip import Clip, prepared
from cousins.labels.label import Thing

SIZE = 32
MEAN, STD = [0.48, 0.46, 0.41], [0.27, 0.26, 0.28]


@pytest.fixture(scope="module")
def library():
    pytest.importorskip("torch", reason="the extra `clip` is not installed")
    return pytest.importorskip("transformers", reason="the extra `clip` is not installed")


def words():
    every = {"a", "photo", "of", "."}
    for c in categories():
        every |= set(c.said.lower().replace("'", " ").split())
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *sorted(every)]


def tokenizer(transformers):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    vocabulary = {word: i for i, word in enumerate(words())}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", eos_token="[SEP]", bos_token="[CLS]",
    )  # fmt: skip


def save(kind, folder, transformers):
    import torch

    torch.manual_seed(5)
    common = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
              "num_attention_heads": 2}  # fmt: skip
    text = {**common, "vocab_size": len(words()), "max_position_embeddings": 16,
            "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}  # fmt: skip
    vision = {**common, "image_size": SIZE, "patch_size": 8}
    if kind == "clip":
        config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)
        model = transformers.CLIPModel(config)
    else:
        config = transformers.SiglipConfig(
            text_config={**text, "projection_size": 32}, vision_config=vision
        )
        model = transformers.SiglipModel(config)
        with torch.no_grad():
            model.logit_scale.fill_(3.0)
            model.logit_bias.fill_(-2.0)
    model.save_pretrained(folder)
    tokenizer(transformers).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": MEAN, "image_std": STD})
    )
    return folder


@pytest.fixture(scope="module")
def folders(library, tmp_path_factory):
    made = tmp_path_factory.mktemp("models")
    return {kind: save(kind, made / f"tiny-{kind}", library) for kind in ("clip", "siglip")}


def thing(*crops):
    return Thing("box_1", crops, "box-like, 38×89×175 mm", np.array([0.04, 0.09, 0.18]))


def crop(seed, h=40, w=56):
    return np.random.default_rng(seed).integers(0, 256, (h, w, 3), np.uint8)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_it_says_what_the_whole_model_says(folders, library, kind):
    import torch

    found = Clip(folders[kind])
    found.ready()
    label = found(thing(crop(1)))
    model = library.AutoModel.from_pretrained(folders[kind], local_files_only=True)
    texts = library.AutoTokenizer.from_pretrained(folders[kind])(
        [f"a photo of {c.said.lower()}." for c in categories()],
        padding=True if kind == "clip" else "max_length", max_length=16, truncation=True,
        return_tensors="pt",
    )  # fmt: skip
    mask = {"attention_mask": texts["attention_mask"]} if kind == "clip" else {}
    pixels = prepared(crop(1), SIZE, np.array(MEAN, np.float32), np.array(STD, np.float32))
    with torch.inference_mode():
        logits = model(
            input_ids=texts["input_ids"], **mask, pixel_values=torch.from_numpy(pixels[None])
        ).logits_per_image[0].double()  # fmt: skip
    shares = (logits.softmax(0) if kind == "clip" else logits.sigmoid()).numpy()
    best = int(shares.argmax())
    assert label.text == label.category == categories()[best].name
    assert label.confidence == pytest.approx(shares[best], rel=1e-4)
    assert label.source == f"clip: tiny-{kind}"


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_views_are_averaged_and_come_out_the_same_each_time(folders, kind):
    found = Clip(folders[kind])
    one, two = (found._shares(crop(i)) for i in (1, 2))
    both = found(thing(crop(1), crop(2)))
    mean = (one + two) / 2
    assert both.text == categories()[int(mean.argmax())].name
    assert both.confidence == pytest.approx(mean.max())
    assert Clip(folders[kind])(thing(crop(1), crop(2))) == both
    assert 0 <= both.confidence <= 1
    assert found(thing()) is None
    if kind == "clip":
        assert one.sum() == pytest.approx(1)


def test_it_loads_late_needs_no_torchvision_and_no_network_and_says_nothing(folders):
    code = (
        "import sys, socket\n"
        "socket.socket.connect = lambda *a: sys.exit('network')\n"
        "import numpy as np\n"
        "from cousins.labels import labeler\n"
        "from cousins.labels.label import Thing\n"
        f"found = labeler('clip', {str(folders['clip'])!r})\n"
        "assert 'torch' not in sys.modules\n"
        "found.ready()\n"
        "crop = np.zeros((20, 20, 3), np.uint8)\n"
        "print(found(Thing('a', (crop,), 's', np.ones(3))).source)\n"
        "assert 'torchvision' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == ("clip: tiny-clip\n", "")


@pytest.mark.parametrize(
    "name", ["config.json", "preprocessor_config.json", "tokenizer_config.json",
             "model.safetensors"]
)  # fmt: skip
def test_a_folder_that_lacks_a_file_is_one_line(folders, tmp_path, name):
    folder = shutil.copytree(folders["clip"], tmp_path / "model")
    (folder / name).unlink()
    with pytest.raises(LabelError, match=f"{name} is missing: put there all files"):
        Clip(folder).ready()


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("config.json", b'{"model_type": "llama"}', "a 'llama' model; there are: clip, siglip"),
        ("config.json", b"\x00\xff", "config.json: cannot be read"),
        ("config.json", b"[]", "holds no settings"),
        ("preprocessor_config.json", b"{}", "no image_mean and image_std"),
        ("preprocessor_config.json", b'{"image_mean": [0, 0, 0], "image_std": [0, 1, 1]}',
         "no image_mean and image_std"),
    ],
)  # fmt: skip
def test_a_folder_of_something_else_is_one_line(folders, tmp_path, name, data, told):
    folder = shutil.copytree(folders["clip"], tmp_path / "model")
    (folder / name).write_bytes(data)
    with pytest.raises(LabelError, match=told) as caught:
        Clip(folder).ready()
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_damaged_files_are_one_line(folders, tmp_path, name):
    folder = shutil.copytree(folders["clip"], tmp_path / "model")
    (folder / name).write_bytes(b"\x08broken" * 30)
    with pytest.raises(LabelError, match="load") as caught:
        Clip(folder)(thing(crop(1)))
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_there_are_not_made_up(folders, tmp_path, library):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(folders["clip"], tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    weights.pop("visual_projection.weight")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(LabelError, match=r"its weights lack visual_projection.weight"):
        Clip(folder)(thing(crop(1)))


def test_a_model_of_no_numbers_is_told(folders, tmp_path, library):
    import torch

    folder = shutil.copytree(folders["clip"], tmp_path / "model")
    model = library.AutoModel.from_pretrained(folder)
    with torch.no_grad():
        model.logit_scale.fill_(float("nan"))
    model.save_pretrained(folder)
    with pytest.raises(LabelError, match="no numbers"):
        Clip(folder)(thing(crop(1)))


def test_a_missing_library_is_one_line(tmp_path, monkeypatch):
    for name in (*clip.NEEDED, clip.WEIGHTS[0]):
        (tmp_path / name).write_text("{}")
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    (tmp_path / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": MEAN, "image_std": STD})
    )
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "cousins\[clip\]"'):
        labeler("clip", str(tmp_path)).ready()


@pytest.mark.parametrize(("h", "w"), [(40, 40), (80, 20), (5, 9), (512, 512), (1, 600)])
def test_a_whole_crop_is_prepared_on_grey(h, w):
    grey, span = np.array(MEAN, np.float32), np.array(STD, np.float32)
    white = prepared(np.full((h, w, 3), 255, np.uint8), 32, grey, span)
    assert white.shape == (3, 32, 32)
    assert white.dtype == np.float32
    lit = np.isclose(white, ((1 - grey) / span)[:, None, None], atol=1e-3).all(0)
    assert (white[:, ~lit] == 0).all()
    rows, columns = lit.any(1).sum(), lit.any(0).sum()
    assert max(rows, columns) == 32
    assert min(rows, columns) == max(1, round(32 * min(h, w) / max(h, w)))
