"""One scene, filmed once in every layout that holds depth: every scan of it is the same scan."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import trimesh
from surfaces import chamfer

from cousins.mesh import matrix_from_quaternion
from cousins.pack import load_scene, read
from cousins.phone import LAYOUTS, Phone, film
from cousins.pipeline import scan
from cousins.scanning import Settings
from cousins.scene import build, compile_model
from cousins.shape.carve import Carving
from examples import table_scene

# Without noise: some layouts hold no confidence, by which the noisiest depth is known.
FRAMES = Phone(frames=20, colour_size=(256, 192), field_of_view=63.8, noise=None)
# What a layout could spoil is what counts; the rest is as coarse as is quick.
SCAN = Settings(
    voxel=0.004, refine=None, register=None, faces=800, carving=Carving(cells=32, most=0.008)
)


@pytest.fixture(scope="module")
def scanned(tmp_path_factory):
    """Scans the film in a layout, each once."""
    folder = tmp_path_factory.mktemp("films")
    model = compile_model(*build(table_scene()))

    @cache
    def make(name):
        capture = film(model, folder / name, replace(FRAMES, layout=name))
        scan(capture, folder / f"{name}.pack", settings=SCAN)
        return meshes_of(folder / f"{name}.pack")

    return make


def meshes_of(path):
    """Each object's mesh in the pack's world."""
    meshes = []
    for asset in load_scene(read(path)).assets:
        rotation = matrix_from_quaternion(asset.quaternion)
        vertices = asset.visual.vertices @ rotation.T + asset.position
        meshes.append(trimesh.Trimesh(vertices, asset.visual.faces))
    return meshes


OTHERS = [name for name, layout in LAYOUTS.items() if not layout.alone]


# Every reader and writer has fast tests of its own; of whole scans some are enough each time.
RARE = ("7scenes", "arkitscenes", "nerfcapture", "nerfstudio", "record3d-exr", "tum")
HELD = [pytest.param(n, marks=[pytest.mark.slow] if n in RARE else [])
        for n in OTHERS if n not in ("stray", "photos", "video")]  # fmt: skip


@pytest.mark.parametrize("name", HELD)
def test_the_same_film_gives_the_same_scan_in_every_layout(scanned, name):
    want, got = scanned("stray"), scanned(name)
    assert len(got) == len(want)
    for mesh in want:
        nearest = min(got, key=lambda other: np.linalg.norm(other.centroid - mesh.centroid))
        assert chamfer(mesh, nearest, 1500) < 1e-3
