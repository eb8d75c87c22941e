"""Shapes swapped in for objects: our own, and those of a user's folder."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cousins import household
from cousins.library import Household, Item, LibraryError, fitted, index
from cousins.library.descriptor import describe, distance
from cousins.library.names import named
from cousins.library.worker import Worker
from cousins.mesh import matrix_from_quaternion, solid_moments
from cousins.types import Mesh, Primitive


def thing(category, seed=0, name="thing"):
    return household.draw(category, np.random.default_rng(seed)).asset(name, "table")


def plain(mesh):
    return Mesh(np.asarray(mesh.vertices, float), np.asarray(mesh.faces, np.int32))


def box_item(sides, primitive=True):
    mesh = plain(trimesh.creation.box(sides))
    own = Primitive("box", tuple(s / 2 for s in sides), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0))
    return Item("box", "box", "box", mesh, (mesh,), own if primitive else None, True, "household")


def foot(asset):
    rotation = matrix_from_quaternion(asset.quaternion)
    return (asset.visual.vertices @ rotation[2]).min() + asset.position[2]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A folder with a mug (GLB, y up), a can (OBJ with material and picture), a box (MJCF)."""
    root = tmp_path_factory.mktemp("shelf")
    mug = household.draw("mug", np.random.default_rng(1)).visual
    y_up = Mesh(mug.vertices @ np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]).T, mug.faces, mug.uv)
    textured(replace(y_up, texture=mug.texture)).export(root / "coffee_mug_01.glb")
    (root / "007_soup_can").mkdir()
    textured(household.draw("can", np.random.default_rng(2)).visual).export(
        root / "007_soup_can" / "textured.obj"
    )
    (root / "models").mkdir()
    trimesh.creation.box((0.06, 0.1, 0.15)).export(root / "models" / "block.stl")
    (root / "scene.xml").write_text(
        '<mujoco><compiler meshdir="models"/><asset><mesh file="block.stl"/></asset><worldbody>'
        '<body name="cereal_box" pos="1 2 3"><freejoint/>'
        '<geom type="mesh" mesh="block" contype="0" conaffinity="0"/>'
        '<geom type="box" size=".03 .05 .075" group="3"/></body></worldbody></mujoco>'
    )
    (root / "LICENSE.txt").write_text("\nCC0 1.0\nmore\n")
    return root


def textured(mesh):
    corners = mesh.vertices[mesh.faces].reshape(-1, 3)
    out = trimesh.Trimesh(corners, np.arange(len(corners)).reshape(-1, 3), process=False)
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=Image.fromarray(mesh.texture))
    out.visual = trimesh.visual.TextureVisuals(uv=mesh.uv.reshape(-1, 2), material=material)
    return out


def test_a_folder_is_read_named_and_split(shelf):
    found = index(shelf)
    by = {e.source: (e, found.item(i)) for i, e in enumerate(found.entries)}
    assert not found.refused
    assert set(by) == {
        "coffee_mug_01.glb", "007_soup_can/textured.obj", "models/block.stl", "scene.xml"
    }  # fmt: skip
    entry, mug = by["coffee_mug_01.glb"]
    assert (entry.label, entry.category, entry.licence) == ("coffee mug", "mug", "CC0 1.0")
    assert mug.visual.texture is not None
    assert mug.primitive is None
    assert len(mug.parts) > 4
    assert entry.descriptor.open == 1  # turned upright
    entry, can = by["007_soup_can/textured.obj"]
    assert (entry.label, entry.category) == ("soup can", "can")
    assert can.visual.texture is not None
    assert can.primitive is not None
    assert can.primitive.kind == "cylinder"
    entry, box = by["scene.xml"]
    assert (entry.label, entry.category) == ("cereal box", "food box")
    assert box.primitive == Primitive(
        "box", (0.03, 0.05, 0.075), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0)
    )
    for _, item in by.values():
        assert item.watertight
        assert np.allclose(item.visual.vertices.min(0), -item.visual.vertices.max(0), atol=1e-9)
        assert all(len(part.vertices) <= 64 for part in item.parts)


def test_the_second_time_nothing_is_split(shelf, tmp_path):
    first = index(shelf, tmp_path)
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "items").iterdir()}
    second = index(shelf, tmp_path)
    assert kept == {p: p.stat().st_mtime_ns for p in (tmp_path / "items").iterdir()}
    assert second.entries == first.entries
    assert np.allclose(second.distances, first.distances, atol=1e-6)


def test_what_was_added_changed_or_removed_is_noticed(tmp_path):
    trimesh.creation.box((0.1, 0.1, 0.1)).export(tmp_path / "box.stl")
    trimesh.creation.icosphere(2, 0.03).export(tmp_path / "ball.ply")
    assert {e.label for e in index(tmp_path).entries} == {"box", "ball"}
    trimesh.creation.box((0.1, 0.1, 0.2)).export(tmp_path / "box.stl")
    (tmp_path / "ball.ply").rename(tmp_path / "marble.ply")
    found = index(tmp_path)
    assert {e.label: round(e.descriptor.size[2], 3) for e in found.entries} == {
        "box": 0.2,
        "marble": 0.06,
    }
    assert len(list((tmp_path / ".cousins-index" / "items").glob("*.npz"))) == 2


def test_a_run_cut_short_goes_on(tmp_path):
    for k in range(2):
        trimesh.creation.box((0.1, 0.1, 0.1 + 0.01 * k)).export(tmp_path / f"box_{k}.stl")

    class StopError(Exception):
        pass

    def stop(stage, done, total):
        if done == 1:
            raise StopError

    with pytest.raises(StopError):
        index(tmp_path, progress=stop)
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / ".cousins-index/items").glob("*.npz")}
    assert len(kept) == 1
    assert len(index(tmp_path).entries) == 2
    assert all(p.stat().st_mtime_ns == at for p, at in kept.items())


def test_broken_and_absurd_files_get_a_line_each(tmp_path):
    ball = trimesh.creation.icosphere(2, 0.03)
    ball.export(tmp_path / "good.glb")
    whole = (tmp_path / "good.glb").read_bytes()
    (tmp_path / "cut.glb").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.obj").write_text("")
    (tmp_path / "noise.ply").write_bytes(bytes(range(256)) * 20)
    ball.copy().apply_scale(1000).export(tmp_path / "millimetres.stl")
    ball.copy().apply_scale(0.001).export(tmp_path / "speck.stl")
    (tmp_path / "nan.obj").write_text("v 0 0 0\nv 1 nan 0\nv 0 1 0\nv 0 0 1\nf 1 2 3\nf 1 2 4\n")
    (tmp_path / "flat.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    (tmp_path / "index.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 999999999\n")
    (tmp_path / "robot.xml").write_text(
        '<mujoco><worldbody><body><joint/><geom size=".1"/></body></worldbody></mujoco>'
    )
    (tmp_path / "broken.xml").write_text("<mujoco><worldbody>")
    with (tmp_path / "big.stl").open("wb") as file:
        file.truncate(300_000_000)
    found = index(tmp_path)
    assert [e.source for e in found.entries] == ["good.glb"]
    lines = {Path(line.split(": ")[0]).name: line for line in found.refused}
    assert len(lines) == 11
    assert all("\n" not in line and "Traceback" not in line for line in lines.values())
    assert "scale it to metres" in lines["millimetres.stl"]
    assert "scale it to metres" in lines["speck.stl"]
    assert "moving parts" in lines["robot.xml"]
    assert "300,000,000 bytes" in lines["big.stl"]
    assert "flat as paper" in lines["flat.obj"]


def test_no_path_leaves_the_folder(tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    trimesh.creation.box((0.1, 0.1, 0.1)).export(secret / "box.stl")
    Image.new("RGB", (4, 4), "red").save(secret / "red.png")
    root = tmp_path / "shelf"
    root.mkdir()
    mesh = "<mujoco><asset><mesh name='m' file='{}'/></asset></mujoco>"
    (root / "up.xml").write_text(mesh.format("../secret/box.stl"))
    (root / "absolute.xml").write_text(mesh.format(secret / "box.stl"))
    (root / "include.xml").write_text("<mujoco><include file='../secret/a.xml'/></mujoco>")
    (root / "entity.xml").write_text('<!DOCTYPE a [<!ENTITY b SYSTEM "x">]><mujoco>&b;</mujoco>')
    (root / "link.stl").symlink_to(secret / "box.stl")
    (root / "folder").symlink_to(secret)
    box = trimesh.creation.box((0.1, 0.1, 0.1))
    lines = [*(f"v {x} {y} {z}" for x, y, z in box.vertices), "vt 0 0", "usemtl a"]
    lines += [f"f {a}/1 {b}/1 {c}/1" for a, b, c in box.faces + 1]
    (root / "obj.obj").write_text("\n".join(["mtllib a.mtl", *lines]))
    (root / "a.mtl").write_text("newmtl a\nmap_Kd ../secret/red.png\n")
    (root / "mtl.obj").write_text("\n".join(["mtllib ../secret/a.mtl", *lines]))
    gltf(root / "uri.gltf", "../secret/box.bin")
    box.export(root / "good.stl")
    found = index(root)
    assert [e.source for e in found.entries] == ["good.stl"]
    assert len(found.refused) == 7
    assert sum("out of the folder" in line for line in found.refused) == 5


def gltf(path, uri):
    path.write_text(json.dumps({
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}], "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}],
        "buffers": [{"uri": uri, "byteLength": 36}],
    }))  # fmt: skip


def test_a_folder_that_is_none_or_holds_nothing(tmp_path):
    with pytest.raises(LibraryError, match="no such folder"):
        index(tmp_path / "nowhere")
    with pytest.raises(LibraryError, match="holds no shape"):
        index(tmp_path)


def test_a_damaged_cache_is_made_anew(tmp_path):
    trimesh.creation.box((0.1, 0.1, 0.1)).export(tmp_path / "box.stl")
    first = index(tmp_path)
    for kept in (tmp_path / ".cousins-index").rglob("*.json"):
        kept.write_text("{")
    assert index(tmp_path).entries == first.entries
    for kept in (tmp_path / ".cousins-index").rglob("*.npz"):
        kept.write_bytes(kept.read_bytes()[:100])
    with pytest.raises(LibraryError, match="damaged"):
        index(tmp_path).item(0)


def test_a_file_that_takes_too_long_is_refused(tmp_path):
    trimesh.creation.box((0.1, 0.1, 0.1)).export(tmp_path / "box.stl")
    with Worker(deadline=0.01) as worker:
        assert "longer than" in worker(tmp_path, "box.stl", tmp_path / "out")["refused"]


def test_an_open_bowl_is_closed_and_stays_open(tmp_path):
    bowl = household.draw("bowl", np.random.default_rng(0)).solid.mesh
    whole = trimesh.Trimesh(bowl.vertices, bowl.faces, process=False)
    below = np.flatnonzero(whole.face_normals[:, 2] < -0.9)[:20]  # of its foot, outside
    holed = whole.submesh([np.setdiff1d(np.arange(len(bowl.faces)), below)], append=True)
    holed.export(tmp_path / "bowl.stl")
    found = index(tmp_path)
    assert found.entries[0].notes == ("was not closed: closed anew",)
    item = found.item(0)
    assert item.watertight
    assert solid_moments(item.visual)[0] > 0
    assert len(item.visual.faces) <= 20_000
    assert found.entries[0].descriptor.open == 1


def test_a_folder_gives_what_is_called_alike_first(shelf):
    found = index(shelf)
    rng = np.random.default_rng(0)
    can = replace(thing("can", 5), label="tin can", category=None)
    assert [i.category for i in found(can, 3, rng)] == ["can"]
    unknown = replace(can, label="cylinder-like", category=None)
    assert [i.category for i in found(unknown, 3, rng)] == ["can"]
    spatula = replace(thing("spatula", 1), label="a spatula")
    assert found(spatula, 3, rng) == ()


@pytest.mark.parametrize("category", ["mug", "can", "box", "bowl", "ball", "book"])
def test_household_things_take_the_place_of_what_is_shaped_alike(category):
    asset = replace(thing(category, 11), label="object-like", category=None)
    items = list(Household()(asset, 3, np.random.default_rng(4)))
    assert len(items) == 3
    own = describe(asset.visual)
    for item in items:
        swapped = fitted(asset, item, "swap")
        assert swapped is not None
        assert foot(swapped) == pytest.approx(foot(asset), abs=1e-9)
        assert describe(swapped.visual).open == pytest.approx(own.open, abs=1e-6)
        assert swapped.mass == asset.mass
        assert swapped.label == asset.label


def test_the_same_generator_draws_the_same():
    asset = thing("mug", 3)
    a, b = (list(Household()(asset, 2, np.random.default_rng(9))) for _ in range(2))
    assert [i.name for i in a] == [i.name for i in b]
    assert all(np.array_equal(x.visual.vertices, y.visual.vertices)
               for x, y in zip(a, b, strict=True))  # fmt: skip
    assert {i.category for i in a} == {"mug"}


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(*[st.floats(0.03, 0.3)] * 3),
    st.tuples(*[st.floats(0.03, 0.3)] * 3),
    st.booleans(),
)
def test_what_is_fitted_keeps_within_its_limits(twin, own, primitive):
    asset = thing("box")
    mesh = plain(trimesh.creation.box(twin))
    asset = replace(asset, visual=mesh, parts=(mesh,), primitive=None)
    swapped = fitted(asset, box_item(own, primitive), "swap")
    if swapped is None:
        return
    ratio = swapped.size / asset.size
    assert (ratio[:2] <= 1.3 + 1e-6).all()
    assert 0.65 - 1e-6 <= ratio[2] <= 1.35 + 1e-6
    assert swapped.volume == pytest.approx(swapped.size.prod())
    assert np.allclose(swapped.visual.vertices.min(0), -swapped.visual.vertices.max(0))
    assert foot(swapped) == pytest.approx(foot(asset))
    if primitive:
        axes = np.abs(matrix_from_quaternion(np.array(swapped.primitive.quaternion)))
        assert np.allclose(axes @ swapped.primitive.size, swapped.size / 2)


def test_what_is_equal_but_for_a_turn_fits_exactly():
    asset = replace(thing("box"), primitive=None)
    x, y, z = asset.size
    swapped = fitted(asset, box_item((2 * y, 2 * x, 2 * z)), "swap")
    assert swapped is not None
    assert np.allclose(swapped.size, asset.size)


def test_upright_stays_up_and_a_bowl_is_never_laid_over():
    bottle = thing("bottle", 2)
    mesh = bottle.visual
    assert fitted(bottle, box_item((0.3, 0.05, 0.05)), "swap") is None
    lying = replace(bottle, visual=replace(mesh, vertices=mesh.vertices[:, [2, 0, 1]]))
    assert fitted(lying, box_item((0.07, 0.07, 0.25)), "swap") is not None
    bowl = thing("bowl", 2)
    x, y, z = bowl.size
    assert fitted(bowl, box_item((z, y, x)), "swap") is None


def test_a_ball_stays_round():
    ball = household.draw("ball", np.random.default_rng(0))
    asset = replace(ball.asset("ball", "table"), primitive=None)
    uneven = replace(asset.visual, vertices=asset.visual.vertices * [1, 1.1, 0.95])
    stretched = replace(asset, visual=uneven)
    (item,) = Household()(replace(stretched, label="ball"), 1, np.random.default_rng(0))
    swapped = fitted(stretched, item, "swap")
    assert swapped is not None
    assert swapped.primitive is not None
    assert swapped.size == pytest.approx(2 * swapped.primitive.size[0], rel=0.01)


def test_shapes_of_one_kind_are_nearer_than_those_of_another():
    a, b = (describe(thing("mug", k).visual) for k in (1, 2))
    assert distance(a, a) == 0
    assert distance(a, b) == pytest.approx(distance(b, a))
    assert distance(a, b) < distance(a, describe(thing("can", 1).visual))


def test_a_vessel_with_a_hole_is_none():
    whole = thing("bowl", 1).visual
    assert describe(whole).open == 1
    on_axis = np.hypot(*whole.vertices[:, :2].T) < 1e-6  # in the middle of its floor and its foot
    kept = ~on_axis[whole.faces].any(1)
    assert describe(Mesh(whole.vertices, whole.faces[kept])).open < 0.1


@pytest.mark.parametrize(
    ("file", "body", "wanted"),
    [
        ("003_cracker_box/google_16k/textured.obj", "", ("cracker box", "food box")),
        ("Coffee-Mug.glb", "", ("coffee mug", "mug")),
        ("mug_red_02.stl", "", ("mug red", "mug")),
        ("mug_tree.stl", "", ("mug tree", None)),
        ("a/model.glb", "soup_bowl_1", ("soup bowl", "bowl")),
        ("toys/gizmo.glb", "", ("gizmo", None)),
    ],
)
def test_names_say_what_things_are(file, body, wanted):
    assert named(file, body) == wanted
