"""One object alone on a board, many times over, as its distributions have it.

The board is not turned: gravity is, slowly, which for the object is the same. Forces go through
`xfrc_applied`, so that one batch holds all draws and nothing is compiled for each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from mujoco.batch import Batch
from numpy.typing import NDArray

from cousins.bank import rows
from cousins.batch import advance, batch
from cousins.mesh import matrix_from_quaternion
from cousins.physics import mixed
from cousins.types import Array, Asset, Mesh, Scene, Support
from cousins.variation import substance
from cousins.variation.union import Union, Variants, union
from cousins.variation.units import contact_points

PROBES = ("tilt_slide", "tilt_tip", "push_slide", "drop")
PROPERTIES = ("mass", "friction", "shell_fraction", "restitution")
# What a probe depends on most.
TELLS = {
    "tilt_slide": ("friction",),
    "tilt_tip": ("shell_fraction",),
    "push_slide": ("mass", "friction"),
    "drop": ("restitution",),
}
DROP = 0.1  # m
LOW = 0.01  # m over the board, at most, where it is pushed
STEEPEST = np.radians(75.0)  # that it is tilted
HARDEST = 2.0  # that it is pushed, in its own weight
STICKY = 5.0  # friction of a thing that is kept from sliding
WIDER = 2.0
_EDGE = 1e-7  # share of a distribution that is never drawn, at either end
_TILTS = np.radians(30.0)  # per second
_PUSHES = 1.0  # of its weight per second
_MOVES = 0.01  # m/s that count as motion: far over what creeps or trembles
_AFTER = 0.5  # s for which it is still pushed, for what begins to move at the very last to go far
_FAR, _LEANS = 0.005, 0.1  # m, rad: after which it is clear whether it slides or tips
_PIECE = 5  # steps between two looks
_BRAKE, _REST = 0.2, 0.3  # s to come to rest, at first without momentum
_STANDS = 0.01, np.radians(5.0)  # how far a thing that stands may move and turn in that, m, rad
_FOOT = 0.002  # m over its lowest point: what of it stands on the board
_BOARD = 1.5  # half its length, m


@dataclass(frozen=True)
class Samples:
    """n draws of an object's properties: mass (kg), friction, shell_fraction, restitution (n,);
    and from those its centre of mass (n, 3) and inertia (n, 3, 3) in the object's frame.

    scores (n, 4): where they lie in the distributions of `PROPERTIES`, on the scale on which those
    are normal. weights (n,): how much each counts, 1 in all; alike but where draws were spread in
    another way than what is known.
    """

    mass: Array
    friction: Array
    shell_fraction: Array
    restitution: Array
    centre: Array
    inertia: Array
    scores: Array
    weights: Array

    def __len__(self) -> int:
        return len(self.mass)


@dataclass(frozen=True)
class Outcomes:
    """What n draws did; each (n,), NaN where it does not happen.

    tilt_slide: angle of the board, rad, at which it starts to slide, NaN where it tips or rolls
    before. tilt_tip: at which it tips or rolls, towards its easiest side, when something keeps it
    from sliding. push_slide: horizontal force, N, close over the board, that moves it. drop: how
    high, m, it comes back from 0.1 m. stands: whether it stands on the board by itself.
    """

    tilt_slide: Array
    tilt_tip: Array
    push_slide: Array
    drop: Array
    stands: NDArray[np.bool_]


@dataclass(frozen=True)
class Spread:
    """How draws lie in the distributions of `PROPERTIES`, on the scale on which those are normal:
    middle (4,) and width (4,), which are 0 and 1 where draws are as what is known."""

    middle: Array
    width: Array


def spread(wide: Sequence[str] = ()) -> Spread:
    """As what is known; `WIDER` for the properties `wide`: something was seen, and it may be what
    hardly one draw in a hundred does."""
    width = np.array([WIDER if name in wide else 1.0 for name in PROPERTIES])
    return Spread(np.zeros(len(PROPERTIES)), width)


def draw(asset: Asset, n: int, seed: int = 0, over: Spread | None = None) -> Samples:
    """n draws, evenly spread over all properties together (a Halton sequence, shifted): a few
    hundred then tell of each. Where they are spread `over` something else than what is known,
    their weights make up for it."""
    from scipy.special import ndtr, ndtri
    from scipy.stats import qmc

    over = over or spread()
    shift = np.random.default_rng(seed).random(len(PROPERTIES))
    even = (qmc.Halton(len(PROPERTIES), scramble=False).random(n) + shift) % 1
    normal = ndtri(np.clip(even, 1e-6, 1 - 1e-6))
    scores = over.middle + over.width * normal
    share = np.clip(ndtr(scores), _EDGE, 1 - _EDGE)
    values = {
        name: getattr(asset, name).quantiles(column)
        for name, column in zip(PROPERTIES, share.T, strict=True)
    }
    # The density of what is known where a draw lies, over the one that it came from.
    log = (normal**2 - scores**2).sum(1) / 2
    weights = np.exp(log - log.max())
    return replace(samples_of(asset, **values), scores=scores, weights=weights / weights.sum())


def samples_of(
    asset: Asset, mass: Array, friction: Array, shell_fraction: Array, restitution: Array
) -> Samples:
    """The draws of these values, each (n,), with the centres of mass and inertias they lead to."""
    shape = substance.moments(asset)
    solid = (shape.solid_centre, shape.solid_inertia)
    shell = (shape.shell_centre, shape.shell_inertia)
    centre, unit = mixed(shell_fraction, solid, shell)
    # A scan may have found that its weight lies elsewhere than its shape says.
    middle, _ = mixed(np.array(asset.shell_fraction.mode), solid, shell)
    centre = centre + (asset.center_of_mass - middle)
    about = mass[:, None, None] * unit
    n = len(mass)
    values = (mass, friction, shell_fraction, restitution, centre, about)
    return Samples(*values, scores=np.zeros((n, len(PROPERTIES))), weights=np.full(n, 1 / n))


def simulate(
    asset: Asset, samples: Samples, probes: Sequence[str] = PROBES, threads: int = 0
) -> Outcomes:
    """Do the `probes` to every draw; those left out are NaN.

    Raises ValueError with MuJoCo's reason where the object does not compile.
    """
    rig = _rig(asset, samples, threads)
    nothing = np.full(len(samples), np.nan)
    done = {name: nothing for name in PROBES}
    for name in probes:
        done[name] = np.where(rig.stands, _EXPERIMENTS[name](rig), np.nan)
    return Outcomes(**done, stands=rig.stands)


@dataclass(frozen=True)
class _Rig:
    """The batch's parts. start (n, nq): at rest. easy, hard (2,): towards the sides to which the
    object tips most and least easily. low: height at which it is pushed, m."""

    union: Union
    samples: Samples
    start: Array
    stands: NDArray[np.bool_]
    easy: Array
    hard: Array
    low: float
    threads: int

    @property
    def body(self) -> int:
        return int(self.union.bank.body[0])

    @property
    def gravity(self) -> float:
        return float(-self.union.model.opt.gravity[2])

    def sims(self, samples: Samples | None = None, rise: Array | None = None) -> Batch:
        start = self.start.copy()
        if rise is not None:
            start[:, 2] += rise
        return _sims(self.union, samples or self.samples, start, self.threads)

    @property
    def height(self) -> Array:
        """(n,) of the centres of mass over the board, m."""
        rotation = matrix_from_quaternion(self.upright)
        return self.start[:, 2] + (self.samples.centre @ rotation.T)[:, 2]

    @property
    def upright(self) -> Array:
        """The object's quaternion as it stands."""
        return self.union.scene.assets[0].quaternion

    def seconds(self, steps: int) -> float:
        return steps * float(self.union.model.opt.timestep)


def _rig(asset: Asset, samples: Samples, threads: int) -> _Rig:
    asset = replace(asset, visual=Mesh(asset.visual.vertices, asset.visual.faces), support="board")
    rotation = matrix_from_quaternion(asset.quaternion)
    points = contact_points(asset, rotation) @ rotation.T
    asset = asset.moved(np.array([0.0, 0.0, -points[:, 2].min()]), asset.quaternion)
    square = _BOARD * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1.0]])
    made = union(Scene((asset,), (Support("board", "table", 0.0, square),)), [Variants((asset,))])
    n = len(samples)
    start = np.tile(np.append(asset.position, asset.quaternion), (n, 1))
    sims = _sims(made, samples, start, threads)
    step = made.model.opt.timestep
    for _ in range(round(_BRAKE / step / _PIECE)):
        advance(sims, _PIECE)
        sims.qvel[:] = 0
    advance(sims, round(_REST / step))
    rest = sims.qpos.copy()
    far, turned = _STANDS
    cosine = np.abs((rest[:, 3:] * start[:, 3:]).sum(1))
    gone = np.linalg.norm(rest[:, :3] - start[:, :3], axis=1)
    stands = (gone < far) & (2 * np.arccos(np.clip(cosine, 0, 1)) < turned)
    easy, hard = _sides(points, rotation @ asset.center_of_mass)
    low = min(LOW, float(np.ptp(points[:, 2])) / 4)
    rest[~stands] = start[~stands]
    return _Rig(made, samples, rest, stands, easy, hard, low, threads)


def _sims(made: Union, samples: Samples, start: Array, threads: int) -> Batch:
    n = len(samples)
    drawn = {
        "qpos": start,
        "shape": np.zeros((n, 1), np.uint16),
        "mass": samples.mass[:, None],
        "friction": samples.friction[:, None],
        "restitution": samples.restitution[:, None],
        "shell_fraction": samples.shell_fraction[:, None],
    }
    return batch(made.model, rows(made.bank, drawn), threads)


def _sides(points: Array, centre: Array) -> tuple[Array, Array]:
    """Unit vectors (2,) from over the foot's middle of weight across its nearest and its farthest
    edge; across and along it where the foot is a line, and x where it is a point."""
    foot = points[points[:, 2] < points[:, 2].min() + _FOOT][:, :2]
    spread = foot - foot.mean(0)
    _, size, axes = np.linalg.svd(spread, full_matrices=True)
    if len(size) < 2 or size[0] < 1e-6:
        return np.array([1.0, 0.0]), np.array([1.0, 0.0])
    if size[1] < 1e-6:
        return axes[1], axes[0]
    # The outline, as that of a prism.
    edges = _outline(foot)
    along = np.roll(edges, -1, 0) - edges
    normals = np.column_stack([along[:, 1], -along[:, 0]])
    normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    reach = ((edges - centre[:2]) * normals).sum(1)
    return normals[reach.argmin()], normals[reach.argmax()]


def _outline(points: Array) -> Array:
    """(k, 2) the convex outline of (n, 2) points, counter-clockwise."""
    from scipy.spatial import ConvexHull

    return points[ConvexHull(points).vertices]


_Push = Callable[[float, Array], tuple[Array, Array]]


@dataclass(frozen=True)
class _Start:
    """When each draw starts to move: time (s), NaN where it never does; speed (m/s) along the push
    and turning (rad/s) when that was seen; whether it slides, and does not tip or roll."""

    time: Array
    speed: Array
    turning: Array
    slides: NDArray[np.bool_]


def _watch(rig: _Rig, sims: Batch, along: Array, seconds: float, push: _Push) -> _Start:
    """Push harder and harder until all have moved. push: forces (n, 3) and torques (n, 3), about
    the centre of mass, at a time and for centres of mass (n, 3) in the world."""
    n, body = len(rig.samples), rig.body
    for name in ("xmat", "xpos", "xipos"):
        sims.bind(name)  # what is not bound is not filled in
    sims.forward()
    place, height = sims.xipos[:, body].copy(), rig.height
    upwards = _turns(sims, body)[:, 2]  # (n, 3), in the body's frame
    time, speed, turning = (np.full(n, np.nan) for _ in range(3))
    slides, done = np.zeros(n, bool), np.zeros(n, bool)
    for steps in range(0, round((seconds + _AFTER) / rig.seconds(1)), _PIECE):
        force, torque = push(rig.seconds(steps), sims.xipos[:, body])
        sims.xfrc_applied[:, body, :3], sims.xfrc_applied[:, body, 3:] = force, torque
        advance(sims, _PIECE)
        turned, spin = _turns(sims, body), sims.qvel[:, 3:6]
        # The joint's velocity is that of the body's origin.
        offset = sims.xipos[:, body] - sims.xpos[:, body]
        swing = np.cross(np.einsum("nij,nj->ni", turned, spin), offset)
        fast = (sims.qvel[:, :3] + swing)[:, :2] @ along
        moves = fast > _MOVES
        new = ~done & moves & np.isnan(time)
        time[new], speed[new] = rig.seconds(steps + _PIECE), fast[new]
        turning[new] = np.linalg.norm(spin, axis=1)[new]
        time[~done & ~moves] = np.nan  # it only trembled
        far = (sims.xipos[:, body] - place)[:, :2] @ along
        leans = np.arccos(np.clip((turned[:, 2] * upwards).sum(1), -1, 1))
        decided = ~done & ((far > _FAR) | (leans > _LEANS))
        slides[decided] = (leans * height)[decided] < 0.5 * far[decided]
        done |= decided
        if done[rig.stands].all():
            break
    time[~done | (time > seconds)] = np.nan
    slides[np.isnan(time)] = False
    return _Start(time, speed, turning, slides)


def _turns(sims: Batch, body: int) -> Array:
    """(n, 3, 3) world_from_body."""
    return sims.xmat[:, body].reshape(-1, 3, 3).copy()


def _turned(rig: _Rig, along: Array) -> _Push:
    """Gravity turned towards `along`, as what it adds to gravity itself."""
    weight = rig.samples.mass * rig.gravity

    def push(time: float, centres: Array) -> tuple[Array, Array]:
        angle = _TILTS * time
        way = np.append(np.sin(angle) * along, 1 - np.cos(angle))
        return weight[:, None] * way, np.zeros((len(weight), 3))

    return push


def _tilt_slide(rig: _Rig) -> Array:
    start = _watch(rig, rig.sims(), rig.easy, STEEPEST / _TILTS, _turned(rig, rig.easy))
    angle = _TILTS * start.time
    # Its pull over its friction grows evenly with time, so its speed with the square of time.
    late = np.sqrt(2 * start.speed * np.cos(angle) / (rig.gravity * _TILTS))
    return np.where(start.slides, angle - _TILTS * late, np.nan)


def _tilt_tip(rig: _Rig) -> Array:
    sticky = replace(rig.samples, friction=np.full(len(rig.samples), STICKY))
    sims = rig.sims(sticky)
    start = _watch(rig, sims, rig.easy, STEEPEST / _TILTS, _turned(rig, rig.easy))
    angle = _TILTS * start.time
    axis = matrix_from_quaternion(rig.upright).T @ np.array([-rig.easy[1], rig.easy[0], 0.0])
    reach = rig.height / np.cos(angle)
    mass = rig.samples.mass
    inertia = np.einsum("i,nij,j->n", axis, rig.samples.inertia, axis) + mass * reach**2
    late = np.sqrt(2 * inertia * start.turning / (mass * rig.gravity * reach * _TILTS))
    return np.where(start.slides, np.nan, np.maximum(angle - _TILTS * late, 0.0))


def _push_slide(rig: _Rig) -> Array:
    weight = rig.samples.mass * rig.gravity
    along = np.append(rig.hard, 0.0)

    def push(time: float, centres: Array) -> tuple[Array, Array]:
        force = _PUSHES * time * weight[:, None] * along
        below = np.zeros_like(centres)
        below[:, 2] = rig.low - centres[:, 2]
        return force, np.cross(below, force)

    start = _watch(rig, rig.sims(), rig.hard, HARDEST / _PUSHES, push)
    late = np.sqrt(2 * start.speed / (rig.gravity * _PUSHES))
    force = weight * _PUSHES * np.maximum(start.time - late, 0.0)
    return np.where(start.slides, force, np.nan)


def _drop(rig: _Rig) -> Array:
    n = len(rig.samples)
    step, fast = rig.seconds(1), np.sqrt(2 * rig.gravity * DROP)
    # Contacts begin anywhere within a step, so that it does not hang on one height.
    rise = DROP + fast * step * ((np.arange(n) + 0.5) / n - 0.5)
    sims = rig.sims(rise=rise)
    floor = rig.start[:, 2]
    low, top = np.full(n, np.inf), np.zeros(n)
    for _ in range(round(0.45 / step)):
        advance(sims, 1)
        height = sims.qpos[:, 2] - floor
        low = np.minimum(low, height)
        back = (low < 5e-4) & (sims.qvel[:, 2] > 0)
        top = np.maximum(top, np.where(back, height, 0.0))
    return top / rise * DROP


_EXPERIMENTS: dict[str, Callable[[_Rig], Array]] = {
    "tilt_slide": _tilt_slide,
    "tilt_tip": _tilt_tip,
    "push_slide": _push_slide,
    "drop": _drop,
}
