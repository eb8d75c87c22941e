"""A scene as MJCF: assets, supports and walls in, plain XML and its files out.

The XML is written with every digit, since MuJoCo's own writer keeps six and a cousin that is
exported must step as it does in a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from xml.etree import ElementTree as ET

import mujoco
import numpy as np
from numpy.typing import NDArray

from cousins.contact import IMPEDANCE, IMPRATIO, PLAIN, UNTOLD, settings
from cousins.mesh import obj_text, png_bytes, principal, quaternion_from_matrix
from cousins.polygons import signed_area
from cousins.types import (
    Array,
    Asset,
    Camera,
    Intrinsics,
    Mesh,
    Physical,
    Primitive,
    Scene,
    Support,
    Wall,
)

# "Model tuning" in MuJoCo's documentation: settings for contacts that hold and do not creep.
OPTION = {"timestep": "0.002", "integrator": "implicitfast", "cone": "elliptic"}
CONTACT = {"solref": "{:g} {:g}".format(*PLAIN[:2]),
           "solimp": "{:g} {:g} {:g}".format(PLAIN[2], *IMPEDANCE)}  # fmt: skip
SLAB = 0.03  # thickness of a support's collision geometry, m
WALL = 0.05  # thickness of a wall's, m
TORSIONAL = 0.005  # torsional friction, m: MuJoCo's default
ROLLING = 0.01  # rolling resistance over radius: a hard ball on wood has 0.005..0.02
VIEW = Intrinsics(640, 480, 580.0, 580.0, 319.5, 239.5)  # 45 degrees high
MAX_HULL_VERTICES = 64  # what GPU engines take comfortably


Kind = Literal["box", "cylinder", "sphere"]
UNUSED = "unused_slot"  # the mesh of a slot that a shape leaves empty
SPECK = Mesh(
    1e-4 * np.array([[1.0, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1]]),
    np.array([[0, 1, 3], [0, 2, 1], [0, 3, 2], [1, 2, 3]], np.int32),
)


@dataclass(frozen=True)
class Slots:
    """The collision geoms of a body that stands for several shapes: one primitive of each kind,
    then `parts` meshes."""

    kinds: tuple[Kind, ...]
    parts: int

    def __len__(self) -> int:
        return len(self.kinds) + self.parts


def slots_of(shapes: Sequence[Asset]) -> Slots:
    """What it takes to stand for any of these shapes."""
    kinds: dict[Kind, None] = dict.fromkeys(s.primitive.kind for s in shapes if s.primitive)
    return Slots(tuple(kinds), max(0, *(len(s.parts) for s in shapes if not s.primitive), 0))


class Files(dict[str, bytes]):
    """The files that a model names, each made unless it is held already."""

    def __init__(self, held: Mapping[str, bytes]) -> None:
        super().__init__()
        self._held = held

    def put(self, name: str, make: Callable[[], bytes]) -> None:
        """Add one, made if need be."""
        self[name] = self._held[name] if name in self._held else make()


def build(
    scene: Scene,
    physical: Sequence[Physical] | None = None,
    bank: Sequence[Sequence[Asset]] = (),
    asset_root: str = "assets",
    model: str = "twin",
    slots: Sequence[Slots] | None = None,
    textures: Sequence[Sequence[NDArray[np.uint8]]] = (),
    held: Mapping[str, bytes] | None = None,
) -> tuple[str, dict[str, bytes]]:
    """The scene's XML, and the files under `asset_root` that it names.

    physical: one per asset; by default the modes.
    bank: for each asset further shapes of it, compiled into the model but used by no geom.
    slots: the geoms that each asset gets; by default those that its own shape needs.
    textures: for each asset further textures (h, w, 3) RGB of it, likewise: the k-th, counted from
    1, is the texture of the material `other_look(name, k)`.
    held: files that are there already by these names, used as they are.
    """
    slots = slots or [slots_of([asset]) for asset in scene.assets]
    physical = physical or [asset.physical for asset in scene.assets]
    files = Files(held or {})
    root = ET.Element("mujoco", model=model)
    ET.SubElement(root, "compiler", angle="radian", meshdir=asset_root, texturedir=asset_root)
    bounces = any(asset.restitution != UNTOLD for asset in scene.assets)
    ET.SubElement(root, "option", OPTION | {"impratio": IMPRATIO[bounces]})
    ET.SubElement(root, "size", memory="64M")
    _visual(root)
    centre, radius = _focus(scene)
    # What a viewer frames at first, and what near, far and shadows scale with: not the whole room.
    ET.SubElement(root, "statistic", center=_numbers(centre), extent=_numbers(2 * radius))
    _defaults(root)
    assets = ET.SubElement(root, "asset")
    world = ET.SubElement(root, "worldbody")
    _lights_and_cameras(world, scene)
    if scene.background is not None:
        _visual_mesh(assets, files, "background", scene.background)
        _geom(world, "background", "visual", type="mesh", mesh="background", material="background",
              rgba="1 1 1 1")  # fmt: skip
    for support in scene.supports:
        _support(world, assets, files, support, visible=scene.background is None)
    for wall in scene.walls:
        _wall(world, wall, visible=scene.background is None)
    for asset, properties, own in zip(scene.assets, physical, slots, strict=True):
        _object(world, assets, files, asset, properties, own)
    if bank and any(own.parts for own in slots):
        files[f"{UNUSED}.obj"] = obj_text(SPECK).encode()
        ET.SubElement(assets, "mesh", {"name": UNUSED, "class": "collision",
                                       "file": f"{UNUSED}.obj"})  # fmt: skip
    for variants in bank:
        for asset in variants:
            _meshes(assets, files, asset)
    for asset, images in zip(scene.assets, textures, strict=False):
        for k, image in enumerate(images, start=1):
            _material(assets, files, other_look(asset.name, k), image)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n", files


def dressed(xml: str, row: Mapping[str, NDArray[Any]]) -> str:
    """XML of `build` with the lights, the cameras and the room's colours of one cousin.

    row: MjModel's fields of that cousin in the union model of the same scene; of those that it
    lacks, and of everything else, the XML's are kept.
    """
    root = ET.fromstring(xml)
    world = root.find("worldbody")
    fields = {"light": ("pos", "dir", "diffuse", "ambient"), "camera": ("pos", "quat", "fovy"),
              "geom": ("rgba",)}  # fmt: skip
    for tag, names in fields.items():
        # Those of the world come first in the model, in the order of the XML.
        for i, element in enumerate([] if world is None else world.findall(tag)):
            for name in names:
                values = row.get(f"{'cam' if tag == 'camera' else tag}_{name}")
                if values is not None:
                    element.set(name, _numbers(values[i]))
    return ET.tostring(root, encoding="unicode") + "\n"


def compile_model(xml: str, files: dict[str, bytes]) -> mujoco.MjModel:
    """The compiled model of what `build` gave. Raises ValueError with MuJoCo's reason."""
    return mujoco.MjModel.from_xml_string(xml, files)


def mesh_files(asset: Asset) -> tuple[str, tuple[str, ...]]:
    """The file names of the asset's visual mesh and of its convex parts."""
    return f"{asset.name}.obj", tuple(f"{asset.name}_c{i}.obj" for i in range(len(asset.parts)))


def other_look(name: str, k: int) -> str:
    """The material in which an object wears the k-th of its further textures."""
    return f"{name}_t{k}"


def collision_geoms(asset: Asset) -> int:
    """How many collision geoms the asset has in the model."""
    return 1 if asset.primitive else len(asset.parts)


def _numbers(values: object) -> str:
    return " ".join(repr(float(v)) for v in np.ravel(np.asarray(values, float)))


def _visual(root: ET.Element) -> None:
    visual = ET.SubElement(root, "visual")
    # What is dim everywhere comes from the light `fill`, which a cousin can have otherwise.
    ET.SubElement(visual, "headlight", ambient="0 0 0", diffuse="0.38 0.38 0.38",
                  specular="0 0 0")  # fmt: skip
    ET.SubElement(visual, "global", offwidth="1920", offheight="1440", azimuth="90",
                  elevation="-35")  # fmt: skip
    ET.SubElement(visual, "quality", shadowsize="2048")
    ET.SubElement(visual, "map", znear="0.01", zfar="50")


def _defaults(root: ET.Element) -> None:
    default = ET.SubElement(root, "default")
    visual = ET.SubElement(default, "default", {"class": "visual"})
    ET.SubElement(visual, "geom", group="2", contype="0", conaffinity="0", mass="0")
    ET.SubElement(visual, "mesh", inertia="shell")
    collision = ET.SubElement(default, "default", {"class": "collision"})
    ET.SubElement(collision, "geom", CONTACT, group="3", condim="4", priority="1")
    ET.SubElement(collision, "mesh", inertia="convex", maxhullvert=str(MAX_HULL_VERTICES))
    static = ET.SubElement(default, "default", {"class": "static"})
    # Lower priority than an object's, so that the object's own friction and bounce decide. Between
    # two objects MuJoCo takes the larger friction, and the means of their contact settings.
    ET.SubElement(static, "geom", CONTACT, condim="4", friction="0.6 0.005 0.0001")


def _lights_and_cameras(world: ET.Element, scene: Scene) -> None:
    centre, radius = _focus(scene)
    light = centre + radius * np.array([0.6, -0.8, 2.5])
    ET.SubElement(world, "light", name="fill", type="directional", ambient="0.52 0.52 0.52",
                  diffuse="0 0 0", specular="0 0 0", castshadow="false")  # fmt: skip
    ET.SubElement(world, "light", name="lamp", pos=_numbers(light), dir=_numbers(centre - light),
                  diffuse="0.5 0.5 0.5", specular="0.1 0.1 0.1", castshadow="true")  # fmt: skip
    eye = centre + radius * np.array([0.0, -2.2, 1.5])
    _camera(world, Camera("overview", look_at(eye, centre), VIEW))
    for camera in scene.cameras:
        _camera(world, camera)


def _focus(scene: Scene) -> tuple[Array, float]:
    points = [a.position for a in scene.assets] or [np.append(s.polygon.mean(0), s.height)
                                                    for s in scene.supports]  # fmt: skip
    points = np.array(points) if points else np.zeros((1, 3))
    centre = (points.min(0) + points.max(0)) / 2
    return centre, max(0.3, float(np.linalg.norm(points - centre, axis=1).max()) + 0.1)


def look_at(eye: Array, target: Array) -> Array:
    """world_from_camera (4, 4), OpenCV axes, of a camera at `eye` that looks at `target`."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right = right / np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = eye
    return pose


def _camera(world: ET.Element, camera: Camera) -> None:
    k = camera.intrinsics
    # MuJoCo's camera looks along -z with y up.
    rotation = camera.world_from_camera[:3, :3] @ np.diag([1.0, -1.0, -1.0])
    ET.SubElement(world, "camera", name=camera.name,
                  pos=_numbers(camera.world_from_camera[:3, 3]),
                  quat=_numbers(quaternion_from_matrix(rotation)),
                  fovy=_numbers(np.degrees(2 * np.arctan(k.height / (2 * k.fy)))))  # fmt: skip


def _geom(parent: ET.Element, name: str, kind: str, **attributes: str) -> ET.Element:
    return ET.SubElement(parent, "geom", {"name": name, "class": kind, **attributes})


def _visual_mesh(assets: ET.Element, files: Files, name: str, mesh: Mesh) -> None:
    files.put(f"{name}.obj", lambda: obj_text(mesh).encode())
    ET.SubElement(assets, "mesh", {"name": name, "class": "visual", "file": f"{name}.obj"})
    _material(assets, files, name, mesh.texture)


def _material(
    assets: ET.Element, files: Files, name: str, texture: NDArray[np.uint8] | None
) -> None:
    material = ET.SubElement(assets, "material", name=name, specular="0.1", shininess="0.1")
    if texture is not None:
        files.put(f"{name}.png", lambda: png_bytes(texture))
        ET.SubElement(assets, "texture", name=name, type="2d", file=f"{name}.png")
        material.set("texture", name)


def _support(
    world: ET.Element,
    assets: ET.Element,
    files: Files,
    support: Support,
    visible: bool,
) -> None:
    rgba = {"rgba": "0.72 0.6 0.47 1", "group": "1" if visible else "3"}
    if support.kind == "floor":
        centre = np.append(support.polygon.mean(0), support.height)
        extent = np.append(np.ptp(support.polygon, axis=0) / 2, 0.01)
        _geom(world, support.name, "static", type="plane", pos=_numbers(centre),
              size=_numbers(extent), **rgba)  # fmt: skip
        return
    box = rectangle(support.polygon)
    if box is not None:
        (x, y), (a, b), yaw = box
        _geom(world, support.name, "static", type="box",
              pos=_numbers([x, y, support.height - SLAB / 2]), size=_numbers([a, b, SLAB / 2]),
              quat=_numbers([np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)]), **rgba)  # fmt: skip
        return
    files[f"{support.name}.obj"] = obj_text(prism(support)).encode()
    ET.SubElement(assets, "mesh", {"name": support.name, "class": "collision",
                                   "file": f"{support.name}.obj"})  # fmt: skip
    _geom(world, support.name, "static", type="mesh", mesh=support.name, **rgba)


def rectangle(polygon: Array) -> tuple[Array, Array, float] | None:
    """Centre, half lengths and yaw of the least rectangle around a polygon that fills 85% of it."""
    import cv2

    (x, y), (w, h), degrees = cv2.minAreaRect(polygon.astype(np.float32))
    if abs(signed_area(polygon)) < 0.85 * w * h:
        return None
    return np.array([x, y]), np.array([w, h]) / 2, float(np.radians(degrees))


def prism(support: Support) -> Mesh:
    """The convex hull of the support's polygon, a slab thick, below its height."""
    import cv2

    hull = cv2.convexHull(support.polygon.astype(np.float32))[:, 0].astype(float)
    if len(hull) > MAX_HULL_VERTICES // 2:
        hull = hull[np.linspace(0, len(hull), MAX_HULL_VERTICES // 2, endpoint=False).astype(int)]
    if signed_area(hull) < 0:
        hull = hull[::-1]
    n = len(hull)
    top = np.column_stack([hull, np.full(n, support.height)])
    vertices = np.vstack([top, top - [0, 0, SLAB]])
    fan = [[0, i, i + 1] for i in range(1, n - 1)]
    sides = [f for i in range(n) for j in [(i + 1) % n] for f in ([i, n + i, n + j], [i, n + j, j])]
    faces = fan + [[n + a, n + c, n + b] for a, b, c in fan] + sides
    return Mesh(vertices, np.array(faces, np.int32))


def _wall(world: ET.Element, wall: Wall, visible: bool) -> None:
    # x along the normal, z up; the wall's face is at `centre`, its body behind it.
    normal = wall.normal / np.linalg.norm(wall.normal)
    yaw = float(np.arctan2(normal[1], normal[0]))
    _geom(world, wall.name, "static", type="box", pos=_numbers(wall.centre - normal * WALL / 2),
          size=_numbers([WALL / 2, wall.half_width, wall.half_height]),
          quat=_numbers([np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)]),
          rgba="0.8 0.8 0.8 1", group="1" if visible else "3")  # fmt: skip


def _meshes(assets: ET.Element, files: Files, asset: Asset) -> None:
    _visual_mesh(assets, files, asset.name, asset.visual)
    _, names = mesh_files(asset)
    for part, file in zip(asset.parts, names, strict=True):
        files.put(file, lambda part=part: obj_text(part).encode())
        if asset.primitive is None:
            name = file.removesuffix(".obj")
            ET.SubElement(assets, "mesh", {"name": name, "class": "collision", "file": file})


def contact_attributes(physical: Physical) -> dict[str, str]:
    """What an object's geoms say of contacts in MJCF; nothing where that is the default."""
    known = physical.contact
    timeconst, ratio, impedance = settings(physical.restitution) if known is None else known
    if (timeconst, ratio, impedance) == PLAIN:
        return {}
    return {"solref": _numbers([timeconst, ratio]), "solimp": _numbers([impedance, *IMPEDANCE])}


def _object(
    world: ET.Element,
    assets: ET.Element,
    files: Files,
    asset: Asset,
    physical: Physical,
    slots: Slots,
) -> None:
    _meshes(assets, files, asset)
    body = ET.SubElement(world, "body", name=asset.name, pos=_numbers(asset.position),
                         quat=_numbers(asset.quaternion))  # fmt: skip
    ET.SubElement(body, "freejoint", name=asset.name)
    moments, axes = physical.principal or principal(physical.inertia)
    ET.SubElement(body, "inertial", pos=_numbers(physical.center_of_mass), quat=_numbers(axes),
                  mass=_numbers(physical.mass), diaginertia=_numbers(moments))  # fmt: skip
    _geom(body, f"{asset.name}_visual", "visual", type="mesh", mesh=asset.name,
          material=asset.name, rgba=_numbers(physical.rgba))  # fmt: skip
    contact = contact_attributes(physical)
    own = asset.primitive
    one = len(slots) == 1
    for kind in slots.kinds:
        round_ = kind != "box"
        shown = own if own is not None and own.kind == kind else _speck(kind)
        rolling = ROLLING * shown.size[0] if round_ else 1e-4
        _geom(body, f"{asset.name}_c0" if one else f"{asset.name}_{kind}", "collision", type=kind,
              size=_numbers(shown.size), pos=_numbers(shown.position),
              quat=_numbers(shown.quaternion), condim="6" if round_ else "4",
              friction=_numbers([physical.friction, TORSIONAL, rolling]), **contact)  # fmt: skip
    friction = _numbers([physical.friction, TORSIONAL, 1e-4])
    held = 0 if own else len(asset.parts)
    for i in range(slots.parts):
        _geom(body, f"{asset.name}_c{i}", "collision", type="mesh", friction=friction,
              mesh=f"{asset.name}_c{i}" if i < held else UNUSED, **contact)  # fmt: skip


def _speck(kind: Kind) -> Primitive:
    return Primitive(kind, (1e-4, 1e-4, 1e-4), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0))
