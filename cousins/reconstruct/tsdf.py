"""Fusion of RGB-D frames into one surface: a truncated signed distance over sparse voxel blocks.

Curless and Levoy 1996, in Open3D's VoxelBlockGrid (Dong et al. 2021).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from cousins.mesh import vertex_normals
from cousins.reconstruct.depth import clean, registered_colour
from cousins.types import Array, Frame, Mesh

BLOCK = 16  # voxels along a block's side


@dataclass(frozen=True)
class Surface:
    """A fused surface. vertices, normals, colours (n, 3), the last in 0..1; faces (m, 3).

    Without pictures all colours are one grey, so that none tells anything apart.
    """

    vertices: Array
    normals: Array
    colours: Array
    faces: np.ndarray


@dataclass(frozen=True)
class Region:
    """An axis-aligned box of the world to fuse: low and high corners (3,)."""

    low: Array
    high: Array


@dataclass(frozen=True)
class Tsdf:
    """Fuses frames at `voxel` metres, within `regions` if there are any.

    truncation: in metres. min_weight: a voxel seen in fewer frames is left out.
    """

    voxel: float = 0.003
    truncation: float = 0.012
    max_range: float = 4.0
    min_weight: float = 3.0

    def __call__(
        self,
        frames: Iterable[Frame],
        world_from_capture: Array,
        regions: tuple[Region, ...] = (),
    ) -> Surface:
        """The surface in the world. Raises nothing for an empty one: it has no vertices."""
        import open3d.core as o3c
        from open3d.t.geometry import Image, VoxelBlockGrid

        cpu = o3c.Device("CPU:0")
        grid = VoxelBlockGrid(
            ("tsdf", "weight", "color"),
            (o3c.float32, o3c.float32, o3c.float32),
            ((1,), (1,), (3,)),
            self.voxel,
            BLOCK,
            8000,
            cpu,
        )
        empty = True
        for frame in frames:
            depth = clean(frame, self.max_range)
            if not depth.any():
                continue
            colour = registered_colour(frame)
            # Open3D drops the fraction of a pixel's position: its centres lie at halves. Taken for
            # ours, a table seen from a metre away sinks by two millimetres.
            half = np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
            intrinsics = o3c.Tensor(frame.depth_intrinsics.matrix + half)
            pose = o3c.Tensor(np.linalg.inv(world_from_capture @ frame.world_from_camera))
            image = Image(o3c.Tensor(depth))
            blocks = grid.compute_unique_block_coordinates(
                image, intrinsics, pose, 1.0, self.max_range, self.truncation / self.voxel
            )
            blocks = self._inside(blocks.numpy(), regions)
            if not len(blocks):
                continue
            empty = False
            grid.integrate(
                o3c.Tensor(blocks),
                image,
                Image(o3c.Tensor(colour.astype(np.float32) / 255)),
                intrinsics,
                intrinsics,
                pose,
                1.0,
                self.max_range,
                self.truncation / self.voxel,
            )
        # Open3D takes no grid without a block.
        mesh = None if empty else grid.extract_triangle_mesh(self.min_weight)
        if mesh is None or not len(mesh.vertex.positions):
            none = np.zeros((0, 3))
            return Surface(none, none, none, np.zeros((0, 3), np.int32))
        return _ordered(
            mesh.vertex.positions.numpy().astype(float),
            np.clip(mesh.vertex.colors.numpy().astype(float), 0, 1),
            mesh.triangle.indices.numpy().astype(np.int32),
        )

    def _inside(self, blocks: np.ndarray, regions: tuple[Region, ...]) -> np.ndarray:
        if not regions:
            return blocks
        size = self.voxel * BLOCK
        low, high = blocks * size, (blocks + 1) * size
        inside = np.zeros(len(blocks), bool)
        for region in regions:
            inside |= np.all((high >= region.low) & (low <= region.high), axis=1)
        return blocks[inside]


def _ordered(vertices: Array, colours: Array, faces: np.ndarray) -> Surface:
    """The surface with its vertices and faces in an order of their own.

    Open3D's threads find the same ones each time, but in another order, and what follows (sums,
    sampling, names) would differ with it from scan to scan.
    """
    order = np.lexsort(vertices.T)
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    faces = place[faces]
    first = np.argmin(faces, axis=1)[:, None]
    faces = np.take_along_axis(faces, (first + np.arange(3)) % 3, axis=1)
    faces = np.ascontiguousarray(faces[np.lexsort(faces.T[::-1])])
    vertices = vertices[order]
    return Surface(vertices, vertex_normals(Mesh(vertices, faces)), colours[order], faces)
