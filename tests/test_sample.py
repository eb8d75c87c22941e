"""The bundled sample: small, readable, true to its truth, and seen well from around."""

import itertools
import json

import numpy as np
import open3d as o3d
import pytest
import trimesh

from cousins import resources
from cousins.capture import open_capture
from cousins.phone import CAPTURE_FROM_WORLD

NAMES = ["ball", "book", "bowl", "cereal_box", "mug", "soup_can"]


@pytest.fixture(scope="module")
def truth():
    return json.loads((resources.sample("desk") / "truth.json").read_text())


@pytest.fixture(scope="module")
def points():
    """(n, 3) all confident points of every fifth frame, in the world of the truth."""
    clouds = []
    for frame in open_capture(resources.sample("desk")).frames():
        if frame.index % 5:
            continue
        assert frame.confidence is not None
        k = frame.depth_intrinsics
        v, u = np.nonzero((frame.depth > 0) & (frame.depth < 2) & (frame.confidence == 2))
        rays = np.stack([(u - k.cx) / k.fx, (v - k.cy) / k.fy, np.ones(len(u))], axis=1)
        pose = np.linalg.inv(CAPTURE_FROM_WORLD) @ frame.world_from_camera
        local = rays * frame.depth[v, u, None]
        clouds.append(local @ pose[:3, :3].T + pose[:3, 3])
    return np.concatenate(clouds)


def test_it_is_small_and_is_read_without_a_warning():
    folder = resources.sample("desk")
    assert sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) <= 8e6
    assert (folder / "truth.json").stat().st_size < 1e6
    assert "desk" in resources.samples()
    capture = open_capture(folder)
    assert capture.layout == "stray-scanner"
    assert capture.warnings == ()
    assert 60 <= len(capture) <= 90
    sides = np.unwrap(np.arctan2(capture.poses[:, 2, 3], capture.poses[:, 0, 3]))
    assert np.ptp(sides) > np.radians(270)


def test_its_truth_is_of_closed_meshes_on_the_desk(truth):
    assert truth["support_height"] == pytest.approx(0.74, abs=1e-6)
    assert sorted(o["name"] for o in truth["objects"]) == NAMES
    for thing in truth["objects"]:
        mesh = trimesh.Trimesh(thing["vertices"], thing["faces"])
        assert mesh.is_watertight
        assert mesh.volume == pytest.approx(thing["volume"], rel=0.01)
        assert mesh.bounds[0, 2] == pytest.approx(truth["support_height"], abs=2e-5)
        assert 0.02 < thing["mass"] < 1.0
    mug = next(o for o in truth["objects"] if o["name"] == "mug")
    assert trimesh.Trimesh(mug["vertices"], mug["faces"]).euler_number == 0  # fingers go through


def test_no_two_objects_come_close(truth):
    for a, b in itertools.permutations(truth["objects"], 2):
        assert surface(b)(a["vertices"]).min() > 0.039


@pytest.mark.parametrize("name", NAMES)
def test_every_object_is_seen_where_it_is_and_from_around(truth, points, name):
    thing = next(o for o in truth["objects"] if o["name"] == name)
    low, high = np.array(thing["bounds"]) + np.array([[-0.01], [0.01]])
    low[2] = truth["support_height"] + 0.006
    near = points[((points > low) & (points < high)).all(1)]
    assert np.median(surface(thing)(near)) < 0.003
    mesh = trimesh.Trimesh(thing["vertices"], thing["faces"])
    samples, face = trimesh.sample.sample_surface(mesh, 2000, seed=0)
    visible = (mesh.face_normals[face][:, 2] > -0.3) & (samples[:, 2] > low[2])
    cloud = o3d.core.Tensor(near.astype(np.float32))
    search = o3d.core.nns.NearestNeighborSearch(cloud)
    search.knn_index()
    squared = search.knn_search(o3d.core.Tensor(samples[visible].astype(np.float32)), 1)[1]
    assert (np.sqrt(squared.numpy()) < 0.008).mean() > 0.8


def surface(thing):
    """The distance of points from an object's surface."""
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(
        np.array(thing["vertices"], np.float32), np.array(thing["faces"], np.uint32)
    )
    return lambda p: scene.compute_distance(np.asarray(p, np.float32)).numpy()
