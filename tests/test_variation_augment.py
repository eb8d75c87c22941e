"""`cousins augment`: into a pack or a new one, resumed after a kill, refused in one line."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from packs import manifest, quality, write_pack

import examples
from cousins import pack, pipeline, recheck
from cousins.errors import PackError, PartlyFailedError, ScanError, UsageError
from cousins.pipeline import augment
from cousins.variation import family as drawing
from cousins.variation.axes import Settings

SHAPES = Settings(shapes=2, swaps=0.0, distractors=0)
CLUTTERED = replace(SHAPES, distractors=1)


@pytest.fixture
def twin(tmp_path):
    return write_pack(tmp_path / "twin", families=False)


def rows(path, k=0):
    return pack.load_family(pack.read(path), k)


def same(a, b):
    assert a.cousins == b.cousins
    assert a.xml == b.xml
    assert dict(a.files) == dict(b.files)
    for name in a.arrays:
        np.testing.assert_array_equal(a.arrays[name], b.arrays[name], err_msg=name)


def contents(path):
    """All that a pack holds, by name."""
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def test_a_pack_gets_cousins_and_keeps_its_twin(twin, tmp_path):
    before = {p: p.read_bytes() for p in twin.rglob("*") if p.is_file()}
    out = tmp_path / "out"
    told = []
    done = augment(twin, 20, out=out, settings=SHAPES, progress=lambda *a: told.append(a))
    assert done.cousins == 20
    assert done.families == 1
    assert told[-1] == ("cousins", 20, 20)
    assert done.bytes / 20 < 2_000
    assert done.bank_bytes > 0
    assert {p: p.read_bytes() for p in twin.rglob("*") if p.is_file()} == before
    for path, data in before.items():
        written = (out / path.relative_to(twin)).read_bytes()
        if path.name == "manifest.json":
            told, was = json.loads(written), json.loads(data)
            assert told.pop("augmented")["cousins"] == 20
            assert was.pop("augmented") is None
            assert told == was
        else:
            assert written == data
    assert pack.check(out) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "twin"]
    found = rows(out)
    assert [c.index for c in found.cousins] == list(range(20))
    assert all(c.certificate.passed for c in found.cousins)


def test_into_the_pack_itself_replaces_the_cousins_it_had(twin):
    augment(twin, 3, settings=SHAPES)
    first = rows(twin)
    augment(twin, 5, seed=1, settings=SHAPES)
    assert len(rows(twin)) == 5
    augment(twin, 3, settings=SHAPES, workers=1)
    same(rows(twin), first)
    assert pack.check(twin) == []


def test_a_zip_is_augmented_as_a_folder_is(twin, tmp_path):
    zipped = write_pack(tmp_path / "twin.zip", families=False)
    augment(zipped, 3, settings=SHAPES)
    augment(twin, 3, settings=SHAPES)
    same(rows(zipped), rows(twin))


def test_a_run_that_was_cut_short_goes_on_and_ends_the_same_to_the_byte(
    twin, tmp_path, monkeypatch
):
    """Of several families with and without distractors, by one worker or two."""
    monkeypatch.setattr(pipeline, "CHUNK", 3)
    monkeypatch.setattr(pipeline, "FAMILY", 8)
    whole, out = tmp_path / "whole", tmp_path / "out"
    done = augment(twin, 14, out=whole, settings=CLUTTERED, workers=1)
    assert done.families == 4, "two blocks, each with and without a distractor"
    assert pack.check(whole) == []
    two = tmp_path / "two"
    augment(twin, 14, out=two, settings=CLUTTERED, workers=2)
    assert contents(two) == contents(whole)

    made = []
    real = pipeline.chunk
    monkeypatch.setattr(pipeline, "chunk", lambda *a: made.append(list(a[1])) or real(*a))

    def cut(stage, passed, n):
        if passed >= 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        augment(twin, 14, out=out, settings=CLUTTERED, workers=1, progress=cut)
    assert not out.exists()
    kept = sorted((tmp_path / "out.partial").rglob("*.npz"))
    finished = [name for name in made if name]
    assert 2 <= len(kept) < 6
    kept[0].write_bytes(kept[0].read_bytes()[:100])  # a chunk that the disk lost
    made.clear()
    augment(twin, 14, out=out, settings=CLUTTERED, workers=2)
    again = sum(len(indices) for indices in made)
    assert 0 < again < 14
    assert sum(indices in finished for indices in made) <= 2, "the lost one, and that was cut"
    assert contents(out) == contents(whole)
    assert not (tmp_path / "out.partial").exists()


def test_chunks_of_another_run_are_not_taken_for_ones_own(twin, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline.Store, "remove", lambda self: None)
    out = tmp_path / "out"

    def kept(**more):
        augment(twin, 2, out=out, **{"settings": SHAPES, **more}, force=True)
        return len(list((tmp_path / "out.partial").iterdir()))

    assert kept() == 1
    assert kept(workers=1) == 1
    assert kept(seed=1) == 2
    assert kept(settings=replace(SHAPES, strengths={"look": 0.5})) == 3
    objects = json.loads((twin / "objects.json").read_text())
    objects[0]["support"] = "floor"
    (twin / "objects.json").write_text(json.dumps(objects))
    assert kept() == 4
    assert (rows(out).arrays["qpos"][:, 2] < 0.2).all()
    real = pipeline.axes()
    bent = (*real, replace(real[1], name="bent"))
    monkeypatch.setattr("cousins.variation.sampling.axes", lambda: bent)
    monkeypatch.setattr("cousins.variation.store.axes", lambda: bent)
    assert kept() == 5, "another axis, that a package brought"


def test_many_cousins_are_split_into_families_and_keep_their_numbers(twin, monkeypatch):
    monkeypatch.setattr(pipeline, "FAMILY", 4)
    done = augment(twin, 10, settings=SHAPES)
    assert done.families == 3
    found = [rows(twin, k) for k in range(3)]
    assert [[c.index for c in f.cousins] for f in found] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [number for number, *_ in pack.numbered(pack.read(twin))] == list(range(10))
    assert len({f.xml for f in found}) == 1
    assert len(np.unique([c.distance for f in found for c in f.cousins])) == 10


def test_cousins_with_distractors_are_families_of_their_own(twin):
    done = augment(twin, 16, settings=CLUTTERED)
    assert done.families == 2
    read = pack.read(twin)
    assert [number for number, *_ in pack.numbered(read)] == list(range(16))
    bare, full = (pack.load_family(read, k) for k in read.families)
    assert len(bare.bank.body) == 4
    assert len(full.bank.body) == 5
    assert min(len(bare), len(full)) > 2
    stepped, problems = recheck.certificates(twin, 20)
    assert (stepped, problems) == (16, [])
    told = read.manifest.augmented
    assert (told.cousins, told.seed, told.shapes, told.distractors) == (16, 0, 2, 1)
    assert told.axes == dict.fromkeys(["shape", "physics", "layout", "look", "camera", "robot"], 1)


def test_some_that_never_pass_are_left_out_and_counted(twin, monkeypatch):
    real = drawing.certificate.hold

    def strict(*args):
        found = real(*args)
        off = drawing.certificate.KINDS.index(drawing.certificate.OFF)
        found.faults[args[1]["qpos"][:, 0] > 0.1, 0, off] = True
        return found

    monkeypatch.setattr(drawing, "ROUNDS", 2)
    monkeypatch.setattr(drawing.certificate, "hold", strict)
    with pytest.raises(PartlyFailedError, match=r"\d of 12 .* box_1: off its support") as caught:
        augment(twin, 12, settings=SHAPES)
    assert caught.value.exit_code == 3
    kept = rows(twin)
    assert 0 < len(kept) < 12
    assert (kept.arrays["qpos"][:, 0] <= 0.1).all()


def test_a_scene_that_never_stands_is_refused_with_the_object_named(tmp_path):
    base = examples.table_scene()
    half = np.radians(30) / 2
    edge = np.array([np.cos(half), np.sin(half), 0.0, 0.0])
    tilted = base.assets[0].moved(base.assets[0].position + [0, 0, 0.05], edge)
    path = tmp_path / "leaning"
    pack.write(path, replace(base, assets=(tilted,)), manifest(), quality())
    with pytest.raises(ScanError, match=r"box_1: .*times"):
        augment(path, 2, settings=SHAPES)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["leaning"]
    assert pack.read(path).families == ()


@pytest.mark.parametrize(("n", "more"), [(0, {}), (-3, {}), (2, {"seed": -1}), (2, {"workers": 0})])
def test_a_request_that_makes_no_sense_is_a_usage_error(twin, n, more):
    with pytest.raises(UsageError):
        augment(twin, n, **more)


def test_an_output_that_is_something_else_is_kept(twin, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("dear")
    with pytest.raises(PackError, match="thesis"):
        augment(twin, 2, out=tmp_path / "thesis", settings=SHAPES)
    assert (tmp_path / "thesis" / "thesis.tex").read_text() == "dear"


def cousins(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-c", "from cousins.cli.main import main; main()", *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd, env={**os.environ, "MUJOCO_GL": "egl"},
        check=False,
    )  # fmt: skip


def test_the_command_line_augments_and_runs(twin, tmp_path):
    (tmp_path / "few.yaml").write_text("shapes: 2\nswaps: 0\ndistractors: 0\n")
    made = cousins("augment", twin, "-n", 4, "--seed", 3, "--axes", "few.yaml", "--json",
                   cwd=tmp_path)  # fmt: skip
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    assert told["cousins"] == 4
    assert told["families"] == 1
    assert {
        "rejected",
        "rejected_by_reason",
        "shapes_rejected",
        "seconds",
        "bytes",
        "bank_bytes",
        "library_refused",
    } <= set(told)
    ran = cousins("run", twin, "--steps", 60, "--json", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert (told["cousins"], told["steps"], told["unstable"]) == (4, 60, [])
    assert told["steps_per_second"] == pytest.approx(240 / told["seconds"])
    spoken = cousins("run", twin, "--steps", 2, "--sleep", cwd=tmp_path).stdout
    assert "4 cousins" in spoken
    assert "unstable: none" in spoken
    wrong = cousins("augment", twin, "-n", 0, cwd=tmp_path)
    assert wrong.returncode == 2
    assert wrong.stderr.count("\n") == 1


def test_a_pack_without_cousins_says_how_to_make_some(tmp_path):
    bare = write_pack(tmp_path / "bare", families=False)
    found = cousins("run", bare, cwd=tmp_path)
    assert found.returncode == 1
    assert "cousins augment" in found.stderr
    shutil.rmtree(bare)
    assert "no such" in cousins("run", bare, cwd=tmp_path).stderr
