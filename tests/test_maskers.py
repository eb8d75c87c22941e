"""Maskers by name; what one lacks is told before any work, in one line. It needs no torch."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cousins import doctor, plugins
from cousins.errors import MissingDependencyError, ProgramError, UsageError
from cousins.masks import Prompt, checkpoint, hf_sam, masker, network
from cousins.masks.hf_sam import HfSam
from cousins.masks.network import ask, batches, fits
from cousins.masks.sam import Sam

POINT = np.array([[3.0, 2.0]])
BOX = np.array([1.0, 1.0, 6.0, 5.0])


@pytest.fixture(autouse=True)
def bare(monkeypatch, tmp_path):
    """A machine with the libraries, and no checkpoint anywhere."""
    monkeypatch.delenv("COUSINS_SAM", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(network, "find_spec", lambda name: True)


def message(error):
    text = str(error.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("module", ["cousins.masks", "cousins.masks.sam", "cousins.masks.hf_sam"])
def test_importing_a_masker_loads_no_torch(module):
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "transformers", "segment_anything"} & set(done.stdout.split())


def test_an_unknown_masker_lists_those_there_are():
    with pytest.raises(UsageError, match="no masker 'sham'; there are: hf-sam, sam"):
        masker("sham")


def test_another_package_brings_one(monkeypatch, tmp_path):
    brought = {"cousins.maskers": {"mine": lambda checkpoint: ("mine", checkpoint)}}
    monkeypatch.setattr(plugins, "load", lambda group: brought[group])
    assert masker("mine", tmp_path) == ("mine", tmp_path)


@pytest.mark.parametrize(("name", "lacks"), [("sam", "segment_anything"), ("hf-sam", "transf")])
def test_a_missing_library_names_the_extra(monkeypatch, name, lacks):
    monkeypatch.setattr(network, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError) as error:
        masker(name)
    assert message(error).startswith(f"{name} lacks torch, {lacks}")
    assert message(error).endswith(f"pip install -e '.[{name}]'")


def test_a_missing_checkpoint_is_told_with_its_name_its_size_and_where_to_put_it():
    with pytest.raises(MissingDependencyError) as error:
        masker("sam")
    for text in ("sam_vit_b_01ec64.pth (375 MB)", "sam_vit_l_0b3195.pth (1.25 GB)",
                 "sam_vit_h_4b8939.pth (2.56 GB)", "--checkpoint FILE", "COUSINS_SAM",
                 "~/.cache/cousins", "nothing is downloaded"):  # fmt: skip
        assert text in message(error)


@pytest.mark.parametrize("there", [True, False])
def test_a_named_checkpoint_that_is_not_there_is_not_replaced_by_another(tmp_path, there):
    touch(tmp_path / "home/.cache/cousins/sam_vit_b_01ec64.pth")
    place = tmp_path / "empty"
    if there:
        place.mkdir()
    with pytest.raises(MissingDependencyError, match="no checkpoint of segment-anything is there"):
        masker("sam", place)


def test_a_checkpoint_is_looked_for_where_it_is_named_then_the_variable_then_at_home(
    monkeypatch, tmp_path
):
    home = touch(tmp_path / "home/.cache/cousins/sam_vit_h_4b8939.pth")
    assert Sam().checkpoint == home
    small = touch(tmp_path / "home/.cache/cousins/sam_vit_b_01ec64.pth")
    assert Sam().checkpoint == small
    variable = touch(tmp_path / "variable/sam_vit_l_0b3195.pth")
    monkeypatch.setenv("COUSINS_SAM", str(variable.parent))
    assert Sam().checkpoint == variable
    monkeypatch.setenv("COUSINS_SAM", str(variable))
    assert Sam().checkpoint == variable
    mine = touch(tmp_path / "mine.pth")
    assert Sam(mine).checkpoint == mine


def test_a_checkpoint_that_was_replaced_is_another_masker(tmp_path):
    file = touch(tmp_path / "mine.pth")
    before = Sam(file)
    assert before == Sam(file)
    file.write_bytes(b"another")
    assert before != Sam(file)


@pytest.mark.parametrize(("held", "lacking"), [
    (None, "no config.json and no model.safetensors"), ("config.json", "no model.safetensors"),
    ("model.safetensors", "no config.json"),
])  # fmt: skip
def test_a_folder_that_lacks_a_file_is_told_what_it_must_hold(tmp_path, held, lacking):
    folder = tmp_path / "sam-vit-base"
    if held:
        touch(folder / held)
    with pytest.raises(MissingDependencyError) as error:
        masker("hf-sam", folder)
    for text in (str(folder), lacking, "must hold config.json and model.safetensors",
                 "facebook/sam-vit-base (375 MB)", "facebook/sam2.1-hiera-tiny",
                 "nothing is downloaded"):  # fmt: skip
        assert text in message(error)


def test_no_folder_at_all_is_told_what_it_must_hold():
    with pytest.raises(MissingDependencyError, match=r"no folder.*must hold config\.json"):
        HfSam()


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"model_type": "bert"}', "[" * 100_000])
def test_a_config_of_something_else_is_one_line(tmp_path, text):
    touch(tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(text)
    settings = HfSam(tmp_path)
    with pytest.raises(MissingDependencyError) as error:
        hf_sam._network(tmp_path, settings.stamp, "cpu")
    assert "config.json" in message(error)


def test_doctor_says_where_the_checkpoint_is(tmp_path):
    check = doctor._sam()
    assert not check.works
    assert not check.required
    assert "sam_vit_b_01ec64.pth (375 MB)" in check.remedy
    file = touch(tmp_path / "home/.cache/cousins/sam_vit_b_01ec64.pth")
    assert doctor._sam().works
    assert str(file) in doctor._sam().detail


def test_a_zip_that_unpacks_to_more_than_it_is_is_refused(tmp_path):
    file = tmp_path / "bomb.pth"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(10_000_000))
    with pytest.raises(MissingDependencyError, match="not compressed"):
        checkpoint._measure(file)


def test_prompts_are_asked_in_batches_of_a_kind_and_answered_in_their_order():
    prompts = [Prompt(POINT), Prompt(POINT, BOX), Prompt(np.repeat(POINT, 2, 0)), Prompt(POINT)]
    prompts = prompts * 3
    assert sorted(i for batch in batches(prompts, 2) for i in batch) == list(range(12))
    assert [len(batch) for batch in batches(prompts, 4)] == [4, 2, 3, 3]
    asked = []

    def decode(points, boxes):
        asked.append((points.shape, boxes is not None))
        count = 3 if boxes is None else 1
        for one in points:
            yield np.full((count, 4, 5), len(one) == 2), np.full(count, 2.0)

    found = ask(prompts, (4, 5), decode)
    assert asked == [((6, 1, 2), False), ((3, 1, 2), True), ((3, 2, 2), False)]
    assert found.prompt.tolist() == [i for i in range(12) for _ in range(1 if i % 4 == 1 else 3)]
    assert (found.masks.all((1, 2)) == (found.prompt % 4 == 2)).all()
    assert (found.score == 1).all()


def test_no_prompt_is_no_answer_of_the_pictures_size():
    found = ask([], (4, 5), lambda points, boxes: ())
    assert found.masks.shape == (0, 4, 5)
    assert found.score.shape == found.prompt.shape == (0,)


@pytest.mark.parametrize("raised", [
    MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 9 GiB\nmore"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 9 bytes"),
])  # fmt: skip
def test_too_little_memory_is_one_line(raised):
    with pytest.raises(ProgramError) as error, fits("segment-anything", "cuda:0"):
        raise raised
    assert "memory of cuda:0" in message(error)


def test_another_failure_is_left_as_it_is():
    with pytest.raises(RuntimeError, match="sizes differ"), fits("segment-anything", "cpu"):
        raise RuntimeError("sizes differ")


def touch(file: Path) -> Path:
    os.makedirs(file.parent, exist_ok=True)
    file.write_bytes(b"")
    return file
