"""The pack's JSON files as models: every name, unit and shape of the contract.

Fields that a later version adds are kept when they are read, and ignored.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from cousins.contact import UNTOLD
from cousins.distributions import (
    STAND_IN,
    UNTOLD_MATERIAL,
    Categorical,
    Distribution,
    categorical_from_json,
    from_json,
    to_json,
)
from cousins.types import (
    Asset,
    Camera,
    Certificate,
    Cousin,
    Intrinsics,
    Mesh,
    Primitive,
    Scene,
    Support,
    Wall,
)

SCHEMA_VERSION = 1

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.\-]{0,99}$")]
Vector2 = tuple[float, float]
Vector3 = tuple[float, float, float]
Vector4 = tuple[float, float, float, float]
Matrix3 = tuple[Vector3, Vector3, Vector3]
Matrix4 = tuple[Vector4, Vector4, Vector4, Vector4]
Positive = Annotated[float, Field(gt=0)]
# One line: control characters in it could drive the terminal that shows it.
Text = Annotated[str, StringConstraints(max_length=2000, pattern=r"^\P{Cc}*$")]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)


class CaptureSource(_Model):
    """What was scanned: layout (format), sha256 of its files, and its name without any folder."""

    layout: Text
    sha256: Text
    name: Annotated[str, StringConstraints(pattern=r"^[^/\\\p{Cc}]*$", max_length=255)]


class Stage(_Model):
    """One stage of the scan: its settings, and the seconds it took."""

    settings: dict[str, Any] = {}
    seconds: Annotated[float, Field(ge=0)]


class Augmented(_Model):
    """How a pack's cousins were drawn, and what was rejected on the way.

    cousins: how many were asked for, with what seed. axes: the strength of each. distances: what
    the whole distance was to lie between. library: what shapes were swapped in from. rejected:
    draws that failed, and why, counts by reason; shapes_rejected: shapes that did not get into the
    bank; places_rejected: places that were tried for an object.
    """

    cousins: Annotated[int, Field(ge=0)]
    seed: Annotated[int, Field(ge=0)]
    axes: dict[Text, float]
    shapes: int
    swaps: float
    distractors: int
    distances: tuple[float, float] | None = None
    library: Text = ""
    rejected: Annotated[int, Field(ge=0)] = 0
    rejected_by_reason: dict[Text, int] = {}
    shapes_rejected: dict[Text, int] = {}
    places_rejected: dict[Text, int] = {}


class Share(_Model):
    """A share of trials, with its 95 % interval."""

    successes: Annotated[int, Field(ge=0)]
    trials: Annotated[int, Field(ge=1)]
    low: Annotated[float, Field(ge=0, le=1)]
    high: Annotated[float, Field(ge=0, le=1)]


class MinedCousin(_Model):
    """One that was mined. generation: of the search, in which it was found; success: of the policy,
    in episodes that had no part in that; expert: on the same, null where there is none."""

    index: Annotated[int, Field(ge=0)]
    generation: Annotated[int, Field(ge=0)]
    success: Share
    expert: Share | None = None


class Mined(_Model):
    """How a pack's cousins were mined for what breaks a policy.

    policy: its name without any folder. success: over these cousins; ordinary: over ordinary draws;
    expert, expert_ordinary: of the scripted expert on the same episodes, null where the task has
    none. generations: success in each of the search. infeasible: cousins that the expert did not do
    either, and that were left out. rollouts: of the policy, in all; expert_rollouts: beside them.
    """

    policy: Text
    task: Text
    instruction: Text
    settings: dict[Text, Any] = {}
    robot: Text | None = None
    control: Text = "delta"
    engine: Text
    seed: Annotated[int, Field(ge=0)]
    rollouts: Annotated[int, Field(ge=0)]
    expert_rollouts: Annotated[int, Field(ge=0)]
    generations: tuple[Share, ...]
    drawn: Annotated[int, Field(ge=0)]
    rejected: Annotated[int, Field(ge=0)]
    infeasible: Annotated[int, Field(ge=0)]
    ordinary: Share
    success: Share
    expert_ordinary: Share | None = None
    expert: Share | None = None
    cousins: tuple[MinedCousin, ...]


class Feasibility(_Model):
    """One entry of feasible.json: what the expert could not do, of one task with one robot.

    task: by name; settings: all of them, as they were; control: how actions move the robot. tries:
    episodes that each cousin had at most, with what seed. tried and infeasible: the numbers of the
    cousins that were tried, and of those that the expert did in none of them.
    """

    task: Text
    settings: dict[Text, Any] = {}
    robot: Text
    control: Text
    tries: Annotated[int, Field(ge=1)]
    seed: Annotated[int, Field(ge=0)]
    tried: tuple[Annotated[int, Field(ge=0)], ...]
    infeasible: tuple[Annotated[int, Field(ge=0)], ...] = ()


class Manifest(_Model):
    """manifest.json. world_from_capture takes a point of the capture's world to the pack's, m.

    metric: lengths are metres; where they are not, no object has a mass. augmented: how its
    cousins were drawn; mined: for which policy, where they were not drawn at random.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    cousins_version: Text
    capture: CaptureSource
    world_from_capture: Matrix4
    metric: bool = True
    stages: dict[str, Stage] = {}
    seed: int = 0
    licences: dict[str, Text] = {}
    augmented: Augmented | None = None
    mined: Mined | None = None


class Property(_Model):
    """A physical property: a distribution with its source and its evidence in words, and the
    numbers a reader wants."""

    distribution: Literal["lognormal", "normal", "beta", "uniform", "mixture"]
    parameters: dict[str, Any]
    mode: float
    q05: float
    q50: float
    q95: float
    source: Text
    evidence: Text = ""

    @classmethod
    def of(cls, distribution: Distribution) -> Property:
        """From the library's own form."""
        return cls(**to_json(distribution))

    def value(self) -> Distribution:
        """The library's own form. Raises ValueError for wrong parameters."""
        return from_json(self.model_dump())

    def changed(self, before: Property | None) -> bool:
        """Whether it is another distribution than before, whatever is said of it."""
        if before is None:
            return True
        return (self.distribution, self.parameters) != (before.distribution, before.parameters)


class Material(_Model):
    """Which material an object's skin is made of: shares of sum 1, and the likeliest as `mode`."""

    distribution: Literal["categorical"]
    parameters: dict[Text, float]
    mode: Text
    source: Text
    evidence: Text = ""

    @classmethod
    def of(cls, material: Categorical) -> Material:
        """From the library's own form."""
        return cls(**to_json(material))

    def value(self) -> Categorical:
        """The library's own form. Raises ValueError for shares that make no sense."""
        return categorical_from_json(self.model_dump())


class PrimitiveEntry(_Model):
    """A collision primitive that stands for the object's convex parts; size as MuJoCo's."""

    kind: Literal["box", "cylinder", "sphere"]
    size: Vector3
    position: Vector3
    quaternion: Vector4


class ObjectEntry(_Model):
    """One object of objects.json. Metres, kilograms; mesh vertices are in the object's frame.

    mass: null in a pack that is not metric; `inertia` is then that of 1 kg. label_confidence: 1
    where it is not told, in packs whose labels are words of the measured shape. restitution: null
    where it is not told, as in packs of before; things then hardly bounce. material: null likewise.
    category: of assets/categories.toml, null for none of them.
    """

    name: Name
    label: Text
    label_source: Text
    label_confidence: Annotated[float, Field(ge=0, le=1)] = 1.0
    position: Vector3
    quaternion: Vector4
    size: Vector3
    support: Name
    observed_fraction: Annotated[float, Field(ge=0, le=1)]
    visual_mesh: Name
    texture: Name | None = None
    collision_meshes: tuple[Name, ...]
    collision_primitive: PrimitiveEntry | None = None
    volume: float
    watertight: bool
    mass: Property | None
    friction: Property
    shell_fraction: Property
    restitution: Property | None = None
    material: Material | None = None
    category: Text | None = None
    center_of_mass: Vector3
    inertia: Matrix3


class SupportEntry(_Model):
    """One horizontal surface of supports.json: polygon in world x, y, at `height`, m."""

    name: Name
    kind: Literal["floor", "table", "shelf"]
    height: float
    polygon: tuple[Vector2, ...]


class WallEntry(_Model):
    """A vertical rectangle; normal points towards the room."""

    name: Name
    centre: Vector3
    normal: Vector3
    half_width: Positive
    half_height: Positive


class CameraEntry(_Model):
    """A fixed camera with OpenCV axes; focal lengths and centre in pixels."""

    name: Name
    world_from_camera: Matrix4
    width: Annotated[int, Field(gt=0, le=16384)]
    height: Annotated[int, Field(gt=0, le=16384)]
    fx: Positive
    fy: Positive
    cx: float
    cy: float


class BackgroundEntry(_Model):
    """The visual-only mesh of all that is no object; files under assets/."""

    visual_mesh: Name
    texture: Name | None = None


class Surroundings(_Model):
    """surroundings.json: what stands around the objects besides the supports."""

    walls: tuple[WallEntry, ...] = ()
    cameras: tuple[CameraEntry, ...] = ()
    background: BackgroundEntry | None = None


class Quality(_Model):
    """quality.json. checks: what was measured, by name. film_again: what a user should film again,
    the most useful first; warnings: what else to know; both in plain words."""

    checks: dict[str, Any] = {}
    film_again: tuple[Text, ...] = ()
    warnings: tuple[Text, ...] = ()


class CertificateEntry(_Model):
    """What physics said of one cousin; see `cousins.types.Certificate`."""

    overlap: float
    drift: float
    tilt: float
    reasons: tuple[Text, ...] = ()
    attempts: Annotated[int, Field(ge=1)] = 1
    energy: Annotated[float, Field(ge=0)] = 0.0


class CousinEntry(_Model):
    """One line of a family's cousins.jsonl."""

    index: Annotated[int, Field(ge=0)]
    seed: tuple[int, ...]
    axes: dict[Text, float]
    distance: Annotated[float, Field(ge=0)]
    certificate: CertificateEntry

    @classmethod
    def of(cls, cousin: Cousin) -> CousinEntry:
        """From the library's own form."""
        c = cousin.certificate
        return cls(
            index=cousin.index,
            seed=tuple(int(s) for s in cousin.seed),
            axes={k: float(v) for k, v in cousin.axes.items()},
            distance=float(cousin.distance),
            certificate=CertificateEntry(
                overlap=float(c.overlap),
                drift=float(c.drift),
                tilt=float(c.tilt),
                reasons=tuple(c.reasons),
                attempts=int(c.attempts),
                energy=float(c.energy),
            ),
        )

    def value(self) -> Cousin:
        """The library's own form."""
        c = self.certificate
        certificate = Certificate(c.overlap, c.drift, c.tilt, c.reasons, c.attempts, c.energy)
        return Cousin(self.index, self.seed, dict(self.axes), self.distance, certificate)


def _floats(values: Any) -> Any:
    return np.asarray(values, float).tolist()


def object_entry(
    asset: Asset, visual: str, texture: str | None, parts: tuple[str, ...], metric: bool
) -> ObjectEntry:
    """The asset as an `ObjectEntry`; visual, texture and parts are its files under assets/.

    metric: as its scene's; without it the mass is withheld.
    """
    primitive = asset.primitive and PrimitiveEntry(**vars(asset.primitive))
    return ObjectEntry(
        name=asset.name,
        label=asset.label,
        label_source=asset.label_source,
        label_confidence=float(asset.label_confidence),
        position=_floats(asset.position),
        quaternion=_floats(asset.quaternion),
        size=_floats(asset.size),
        support=asset.support,
        observed_fraction=float(asset.observed_fraction),
        visual_mesh=visual,
        texture=texture,
        collision_meshes=parts,
        collision_primitive=primitive,
        volume=float(asset.volume),
        watertight=bool(asset.watertight),
        mass=Property.of(asset.mass) if metric else None,
        friction=Property.of(asset.friction),
        shell_fraction=Property.of(asset.shell_fraction),
        restitution=None if asset.restitution == UNTOLD else Property.of(asset.restitution),
        material=None if asset.material == UNTOLD_MATERIAL else Material.of(asset.material),
        category=asset.category,
        center_of_mass=_floats(asset.center_of_mass),
        inertia=_floats(asset.inertia),
    )


def asset_of(entry: ObjectEntry, visual: Mesh, parts: tuple[Mesh, ...]) -> Asset:
    """The reverse of `object_entry`. Raises ValueError for a distribution's wrong parameters."""
    primitive = entry.collision_primitive
    return Asset(
        name=entry.name,
        label=entry.label,
        label_source=entry.label_source,
        label_confidence=entry.label_confidence,
        position=np.array(entry.position),
        quaternion=np.array(entry.quaternion),
        visual=visual,
        parts=parts,
        primitive=primitive
        and Primitive(primitive.kind, primitive.size, primitive.position, primitive.quaternion),
        watertight=entry.watertight,
        volume=entry.volume,
        observed_fraction=entry.observed_fraction,
        support=entry.support,
        mass=entry.mass.value() if entry.mass else STAND_IN,
        friction=entry.friction.value(),
        shell_fraction=entry.shell_fraction.value(),
        center_of_mass=np.array(entry.center_of_mass),
        inertia=np.array(entry.inertia),
        restitution=entry.restitution.value() if entry.restitution else UNTOLD,
        material=entry.material.value() if entry.material else UNTOLD_MATERIAL,
        category=entry.category,
    )


def support_entry(support: Support) -> SupportEntry:
    """The support as supports.json holds it."""
    return SupportEntry(
        name=support.name,
        kind=support.kind,
        height=float(support.height),
        polygon=_floats(support.polygon),
    )


def support_of(entry: SupportEntry) -> Support:
    """The reverse of `support_entry`."""
    return Support(entry.name, entry.kind, entry.height, np.array(entry.polygon))


def surroundings_entry(scene: Scene, background: BackgroundEntry | None) -> Surroundings:
    """The scene's walls and cameras; `background` names its files under assets/."""
    walls = tuple(
        WallEntry(
            name=w.name,
            centre=_floats(w.centre),
            normal=_floats(w.normal),
            half_width=float(w.half_width),
            half_height=float(w.half_height),
        )
        for w in scene.walls
    )
    cameras = tuple(
        CameraEntry(
            name=c.name, world_from_camera=_floats(c.world_from_camera), **vars(c.intrinsics)
        )
        for c in scene.cameras
    )
    return Surroundings(walls=walls, cameras=cameras, background=background)


def wall_of(entry: WallEntry) -> Wall:
    """The wall as the library's own form."""
    centre, normal = np.array(entry.centre), np.array(entry.normal)
    return Wall(entry.name, centre, normal, entry.half_width, entry.half_height)


def camera_of(entry: CameraEntry) -> Camera:
    """The camera as the library's own form."""
    intrinsics = Intrinsics(entry.width, entry.height, entry.fx, entry.fy, entry.cx, entry.cy)
    return Camera(entry.name, np.array(entry.world_from_camera), intrinsics)
