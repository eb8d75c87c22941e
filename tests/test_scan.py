"""The closed loop: a known table, filmed by a simulated phone, scanned back and held to the truth.

It is filmed once and scanned twice: by the command line, and by the library in a run that is cut
short after its fusion and goes on.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace

import mujoco
import numpy as np
import pytest
import trimesh
from captures import sample

from cousins import pack, score
from cousins.mesh import matrix_from_quaternion
from cousins.phone import CAPTURE_FROM_WORLD, Phone, Walk, film
from cousins.pipeline import augment, scan
from cousins.reconstruct.tsdf import Tsdf
from cousins.scanning import Settings
from cousins.scene import build, compile_model
from examples import TABLE, table_scene

VOXEL = 0.005
PHONE = Phone(frames=24, colour_size=(320, 240), walk=Walk(distance=(0.8, 1.1)), seed=2)
NAMES = {"box_1": "box_1", "can_1": "cylinder_1", "ball_1": "ball_1", "ell_1": "object_1"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("scan")


@pytest.fixture(scope="module")
def capture(folder):
    """24 frames, with a phone's noise in depth and poses."""
    return film(compile_model(*build(table_scene())), folder / "desk", PHONE)


@pytest.fixture(scope="module")
def told(folder, capture):
    """What `cousins scan --json` prints; the pack lies in folder/pack."""
    code = "from cousins.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "scan", str(capture), "-o", str(folder / "pack"),
         "--voxel", str(VOXEL), "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def scanned(folder, told):
    return pack.read(folder / "pack")


@pytest.fixture(scope="module")
def truth(capture):
    return score.load_truth(capture.with_name("desk.truth.json"))


@pytest.fixture(scope="module")
def scored(scanned, truth):
    pose = np.array(scanned.manifest.world_from_capture)
    return score.score(pack.load_scene(scanned), pose, truth)


def test_it_says_what_other_tools_rely_on(told):
    assert told["objects"] == 4
    assert 0 < told["seconds"] < 600
    assert 100 < told["peak_rss_mb"] < 3000
    assert told["warnings"] == []


def test_every_object_is_found_and_none_invented(scored, truth, scanned):
    assert (scored.recall, scored.precision) == (1, 1)
    objects = [truth.objects[i].name for i, _ in scored.pairs]
    found = [scanned.objects[j].name for _, j in scored.pairs]
    assert dict(zip(objects, found, strict=True)) == NAMES


def test_shapes_are_true_to_millimetres(scored):
    for shape in scored.shapes:
        assert shape.chamfer < 0.0035
        assert shape.hausdorff95 < 0.010
        assert shape.f_score > 0.9
        assert shape.hull_ratio == pytest.approx(1, abs=0.12)
        assert shape.centre < 0.005


def test_the_table_lies_at_its_height_above_the_floor(scanned):
    height = {s.name: s.height for s in scanned.supports}
    assert set(height) == {"floor", "table"}
    assert height["floor"] == 0
    assert height["table"] == pytest.approx(TABLE, abs=0.005)
    assert {o.support for o in scanned.objects} == {"table"}


def test_the_wall_stands_behind_the_table(scanned):
    scene = pack.load_scene(scanned)
    [wall] = scene.walls
    assert abs(wall.normal[2]) < 1e-6
    pose = np.array(scanned.manifest.world_from_capture) @ CAPTURE_FROM_WORLD
    normal = pose[:3, :3] @ [0.0, -1.0, 0.0]
    assert wall.normal @ normal > 0.999
    on_wall = pose[:3, :3] @ [0.0, 0.6, 1.0] + pose[:3, 3]
    assert abs((wall.centre - on_wall) @ normal) < 0.02


def test_meshes_are_watertight_and_textured(scanned):
    for asset in pack.load_scene(scanned).assets:
        assert asset.watertight
        closed = closed_mesh(asset.visual)
        assert closed.is_watertight
        assert closed.volume == pytest.approx(asset.volume, rel=1e-3)
        assert asset.visual.texture is not None
        assert 0.4 < asset.observed_fraction <= 1


def test_boxes_cans_and_balls_collide_as_what_they_are(scanned):
    primitives = {a.name: a.primitive for a in pack.load_scene(scanned).assets}
    kinds = {name: p.kind for name, p in primitives.items() if p}
    assert kinds == {"box_1": "box", "cylinder_1": "cylinder", "ball_1": "sphere"}
    assert sorted(primitives["box_1"].size) == pytest.approx([0.03, 0.08, 0.105], abs=0.004)
    assert primitives["cylinder_1"].size[:2] == pytest.approx([0.033, 0.05], abs=0.004)
    assert primitives["ball_1"].size[0] == pytest.approx(0.035, abs=0.003)


def test_the_l_keeps_its_notch(scanned):
    [thing] = [a for a in pack.load_scene(scanned).assets if a.name == "object_1"]
    assert len(thing.parts) >= 2
    hulls = sum(closed_mesh(p).volume for p in thing.parts)
    assert hulls < 0.8 * closed_mesh(thing.visual).convex_hull.volume


@pytest.fixture(scope="module")
def model(folder, told):
    return mujoco.MjModel.from_xml_path(str(folder / "pack" / "model.xml"))


def test_the_twin_opens_and_stands_still(model):
    still = score.rest(model, 2.0)
    assert len(still.drift) == 4
    assert still.drift.max() < 0.002
    assert np.degrees(still.turn.max()) < 1
    assert still.penetration < 0.0005


def test_bodies_have_the_names_and_masses_of_the_objects(model, scanned):
    for entry in scanned.objects:
        mass = model.body(entry.name).mass[0]
        assert mass == pytest.approx(entry.mass.mode, rel=1e-9)
        assert entry.mass.q05 < mass < entry.mass.q95
        assert entry.mass.source
        assert np.allclose(model.body(entry.name).pos, entry.position)


def test_the_pack_keeps_its_contract(folder, scanned):
    assert pack.check(folder / "pack") == []
    assert scanned.manifest.capture.layout == "stray-scanner"
    assert scanned.quality.checks["pose_residual_mm"] < 5
    assert scanned.quality.checks["penetration_mm"] < 0.5


def closed_mesh(mesh):
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


class CutShortError(Exception):
    """The power goes."""


@pytest.fixture(scope="module")
def resumed(folder, capture):
    """The second pack, how its first run ended, and how often each run fused."""
    fused, calls = Tsdf.__call__, []

    def counted(self, *arguments):
        calls.append(self.voxel)
        return fused(self, *arguments)

    def cut(stage, done, total):
        if stage == "carving":
            raise CutShortError

    target = folder / "again"
    settings = Settings(voxel=VOXEL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tsdf, "__call__", counted)
        with pytest.raises(CutShortError):
            scan(capture, target, settings=settings, progress=cut)
        left = sorted(f.name.partition("-")[0] for f in (folder / "again.scan").iterdir())
        there = target.exists()
        first, calls[:] = list(calls), []
        report = scan(capture, target, settings=settings)
    return {"left": left, "there": there, "first": first, "second": calls, "report": report}


def test_a_run_that_is_cut_short_keeps_its_stages_and_no_pack(resumed):
    assert resumed["left"] == ["fusion", "overview", "poses", "registration", "transient"]
    assert not resumed["there"]
    assert len(resumed["first"]) == 2


def test_it_goes_on_where_it_stopped(resumed, folder):
    assert resumed["second"] == [], "nothing is fused again"
    assert resumed["report"].objects == 4
    assert not (folder / "again.scan").exists()


def test_two_scans_of_a_capture_give_the_same_scene(scanned, resumed, folder):
    """Fusion adds floats in any order, so to a millimetre and not to the bit."""
    one, two = (pack.load_scene(p) for p in (scanned, pack.read(folder / "again")))
    assert [a.name for a in one.assets] == [a.name for a in two.assets]
    for a, b in zip(one.assets, two.assets, strict=True):
        assert np.linalg.norm(a.position - b.position) < 0.001
        turn = matrix_from_quaternion(a.quaternion).T @ matrix_from_quaternion(b.quaternion)
        assert np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))) < 0.5
        assert np.abs(a.size - b.size).max() < 0.001
        assert type(a.primitive) is type(b.primitive)
        assert a.mass.mode == pytest.approx(b.mass.mode, rel=0.02)
    for a, b in zip(one.supports, two.supports, strict=True):
        assert (a.name, a.kind) == (b.name, b.kind)
        assert a.height == pytest.approx(b.height, abs=0.001)


def test_nothing_but_packs_is_left_beside_them(resumed, told, folder):
    assert sorted(os.listdir(folder)) == ["again", "desk", "desk.truth.json", "pack"]


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The pack of the same film without its pictures, with two cousins."""
    folder = tmp_path_factory.mktemp("bare")
    model = compile_model(*build(table_scene()))
    capture = film(model, folder / "desk", replace(PHONE, coloured=False))
    report = scan(capture, folder / "pack", settings=Settings(voxel=VOXEL))
    assert len(report.warnings) == 1
    assert "no pictures" in report.warnings[0]
    augment(folder / "pack", 2)
    return pack.read(folder / "pack")


def test_without_pictures_the_shapes_are_the_same(scanned, bare):
    """Each of these things stands alone, so that colour helps to tell nothing apart."""
    one, two = pack.load_scene(scanned), pack.load_scene(bare)
    assert [a.name for a in one.assets] == [a.name for a in two.assets]
    for a, b in zip(one.assets, two.assets, strict=True):
        assert np.linalg.norm(a.position - b.position) < 0.001
        assert np.abs(a.size - b.size).max() < 0.001
        assert a.volume == pytest.approx(b.volume, rel=0.01)
        assert a.support == b.support
    heights = [[s.height for s in scene.supports] for scene in (one, two)]
    assert heights[0] == pytest.approx(heights[1], abs=0.001)


def test_without_pictures_colours_are_plain_and_said_to_be_made_up(bare):
    assert any("made-up colours" in w for w in bare.quality.warnings)
    assert "colour_offset_mm" not in bare.quality.checks
    scene = pack.load_scene(bare)
    textures = [a.visual.texture for a in scene.assets]
    plain = [np.unique(t.reshape(-1, 3), axis=0) for t in textures if t is not None]
    assert [len(colours) for colours in plain] == [1] * len(scene.assets)
    assert len(np.unique(np.concatenate(plain), axis=0)) == len(scene.assets)
    assert scene.background is not None
    assert scene.background.texture is not None
    assert np.ptp(scene.background.texture, axis=2).max() <= 1


def test_without_pictures_the_pack_opens_and_keeps_its_contract(bare):
    assert pack.check(bare.path) == []
    model = mujoco.MjModel.from_xml_path(str(bare.path / "model.xml"))
    assert score.rest(model, 0.5).drift.max() < 0.002
    for entry in bare.objects:
        material = model.mat(model.geom(f"{entry.name}_visual").matid[0])
        assert (material.texid >= 0).any()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ycb_spread"])
def test_scanned_household_objects_reach_their_targets(tmp_path, name):
    """Five of five, none invented, and the numbers that benchmarks/scan.py prints."""
    path = sample(name)
    report = scan(path, tmp_path / "pack")
    assert report.seconds < 90
    assert report.peak_rss_mb < 3000
    read = pack.read(tmp_path / "pack")
    got = score.score(
        pack.load_scene(read),
        np.array(read.manifest.world_from_capture),
        score.load_truth(path.with_name(f"{name}.truth.json")),
    )
    assert (got.recall, got.precision) == (1, 1)
    assert np.median([s.chamfer for s in got.shapes]) < 0.0035
    still = score.rest(mujoco.MjModel.from_xml_path(str(tmp_path / "pack" / "model.xml")))
    assert still.drift.max() < 0.002
    assert still.penetration < 0.0005
    assert pack.check(tmp_path / "pack") == []


@pytest.mark.slow
def test_a_real_kitchen_has_a_table_with_things_on_it(tmp_path):
    """Kinect frames with up estimated: no truth, but a table of a table's height, and things."""
    report = scan(sample("redkitchen_7scenes"), tmp_path / "pack")
    assert report.objects >= 4
    read = pack.read(tmp_path / "pack")
    assert pack.check(tmp_path / "pack") == []
    tables = [s.height for s in read.supports if s.kind == "table"]
    floors = [s.height for s in read.supports if s.kind == "floor"]
    assert tables
    if floors:
        assert 0.4 < max(tables) - floors[0] < 1.1
    still = score.rest(mujoco.MjModel.from_xml_path(str(tmp_path / "pack" / "model.xml")))
    assert still.drift.max() < 0.002
    assert report.objects == len(read.objects)
