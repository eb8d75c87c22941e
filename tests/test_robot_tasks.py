"""Tasks with a robot: joined without a trace, told in its own frame, the same for every engine."""

from dataclasses import replace
from functools import cache

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from robotic import BALL, BOWL, BRICK, CAN, NAMES, SLAB, robotic_family, write_robotic

from cousins.engines.cpu import Cpu
from cousins.env import make_vec
from cousins.env.episodes import Episodes
from cousins.env.worlds import Worlds, pool
from cousins.errors import UsageError
from cousins.mesh import matrix_from_quaternion
from cousins.pack import load_model, read
from cousins.robots import robot
from cousins.robots.mount import BASE, mounted
from cousins.scene import compile_model
from cousins.tasks import Now, Shape, said, task
from cousins.tasks.frames import matrix, sight, times, turned
from cousins.tasks.manipulation import JITTER, SEEN, TURN
from cousins.tasks.offers import known, offers, settled, spelled
from cousins.variation.union import unseen

TASKS = ("reach", "push", "lift", "place_on", "place_in", "stack", "sort")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_robotic(tmp_path_factory.mktemp("tasks") / "p")


@pytest.fixture(scope="module")
def pack(path):
    return read(path)


@cache
def _begun(path, name, cousins, n, seed, settings):
    env = make_vec(path, name, n, cousins=cousins, threads=1, **dict(settings))
    env.reset(seed=seed)
    return env.episodes


def begun(pack, name, cousins=None, n=4, seed=0, **settings) -> Episodes:
    """Episodes that nobody steps."""
    return _begun(pack.path, name, cousins, n, seed, tuple(settings.items()))


# A robot joined to a family


@pytest.mark.parametrize("name", ["gantry", "arm"])
def test_a_robot_comes_last_and_stands_where_the_cousin_has_it(name):
    family = robotic_family()
    plain = compile_model(family.xml, unseen(family.xml, family.files))
    joined = mounted(family, robot(name))
    model = compile_model(joined.xml, unseen(joined.xml, joined.files))
    for kind, many in (("body", plain.nbody), ("geom", plain.ngeom), ("joint", plain.njnt),
                       ("camera", plain.ncam), ("light", plain.nlight)):  # fmt: skip
        for k in range(many):
            assert getattr(model, kind)(k).name == getattr(plain, kind)(k).name
    assert model.nq > plain.nq
    root = model.body(BASE).id
    assert root == plain.nbody
    base = family.arrays["robot_base"]
    np.testing.assert_array_equal(joined.arrays["body_pos"][:, root], base[:, :3])
    np.testing.assert_array_equal(joined.arrays["body_quat"][:, root], base[:, 3:])
    np.testing.assert_array_equal(joined.arrays["qpos"][:, : plain.nq], family.arrays["qpos"])


@pytest.mark.parametrize("name", ["gantry", "arm"])
def test_what_no_robot_touches_goes_as_it_goes_without_one(name):
    family, made = robotic_family(n=3), robot(name)
    plain, joined = Cpu(threads=1)(family), Cpu(threads=1)(mounted(family, made))
    n, many = len(plain), plain.model.nbody
    wrench = np.zeros((n, joined.model.nbody, 6))
    wrench[:, plain.model.body("slab_1").id, 0] = 4.0
    wrench[:, plain.model.body("ball_1").id, 1] = 0.3
    ctrl = np.tile(_held(joined.model, made), (n, 1))
    joined.drive(wrench, ctrl)
    plain.drive(wrench[:, :many])
    for running in (plain, joined):
        running.step(100)
    moved = plain.qpos - family.arrays["qpos"]
    assert np.abs(moved).max() > 0.005
    np.testing.assert_allclose(joined.qpos[:, : plain.model.nq], plain.qpos, atol=1e-6)


def _held(model, made):
    from cousins.robots.arm import arm

    return arm(model, made).still(model)


def test_a_family_without_a_place_for_a_robot_is_refused(pack):
    from cousins.errors import PackError

    family = robotic_family()
    bare = {name: value for name, value in family.arrays.items() if name != "robot_base"}
    with pytest.raises(PackError, match="augment anew with the axis robot"):
        mounted(replace(family, arrays=bare), robot("gantry"))


def test_the_twin_among_its_cousins_is_the_scan(pack):
    worlds = Worlds(pack, pool(pack, "twin"), Cpu(threads=1), 1, robot=robot("gantry"))
    worlds.reset(np.zeros(1, np.int64), np.zeros(1, np.int64))
    assert worlds.number.tolist() == [-1]
    running, twin = worlds.parts[0].running, load_model(pack)
    model, data = running.model, mujoco.MjData(twin)
    running.batch.get_model(0, model)
    mujoco.mj_forward(twin, data)
    for name in NAMES:
        own, other = model.body(name), twin.body(name)
        assert own.mass == pytest.approx(other.mass, rel=1e-6)
        np.testing.assert_allclose(own.ipos, other.ipos, atol=1e-5)
        solid, its = (_solid(m, m.body(name).id) for m in (model, twin))
        assert solid == its
    pose, _ = worlds.objects()
    told = [[*entry.position, *entry.quaternion] for entry in pack.objects]
    np.testing.assert_array_equal(pose[0], told)
    start = np.array([data.body(name).xpos for name in NAMES])
    np.testing.assert_allclose(pose[0, :, :3], start, atol=1e-6)


def _solid(model, body):
    """Of each geom that collides: its kind, friction and extent, rounded."""
    out = []
    for k in model.body_geomadr[body] + np.arange(model.body_geomnum[body]):
        small = model.geom_rbound[k] < 2e-4  # a slot that is not used
        if model.geom_contype[k] | model.geom_conaffinity[k] and not small:
            told = np.concatenate([model.geom_friction[k, :1], [model.geom_rbound[k]]])
            out.append((int(model.geom_type[k]), *told.round(6).tolist()))
    return sorted(out)


# The robot's own frame


def moved(now: Now, angle: float, step) -> Now:
    """The whole scene, with the robot's base, turned about the vertical and moved."""
    spin = np.array([np.cos(angle / 2), 0, 0, np.sin(angle / 2)])
    turn = matrix_from_quaternion(spin)

    def pose(values):
        return np.concatenate([values[..., :3] @ turn.T + step, times(np, spin, values[..., 3:])],
                              -1)  # fmt: skip

    velocity = np.concatenate([now.velocity[..., :3] @ turn.T, now.velocity[..., 3:]], -1)
    clutter = now.clutter
    if clutter is not None:
        clutter = np.concatenate([clutter[..., :3] @ turn.T + step, clutter[..., 3:]], -1)
    return replace(now, start=pose(now.start), pose=pose(now.pose), velocity=velocity,
                   hand=replace(now.hand, base=pose(now.hand.base)), clutter=clutter)  # fmt: skip


@settings(max_examples=12, deadline=None)
@given(
    angle=st.floats(-3.1, 3.1), x=st.floats(-5, 5), y=st.floats(-5, 5), z=st.floats(-1, 1),
    which=st.sampled_from(TASKS), seed=st.integers(0, 3),
)  # fmt: skip
def test_what_a_robot_sees_hangs_on_no_world_frame(pack, angle, x, y, z, which, seed):
    episodes = begun(pack, which)
    told, now, memory = episodes.worlds.layout, episodes.now(), episodes.memory
    rng = np.random.default_rng(seed)
    now.velocity[...] = rng.normal(0, 0.1, now.velocity.shape)
    other = moved(now, angle, np.array([x, y, z]))
    doing, action = episodes.task, rng.uniform(-1, 1, (4, episodes.task.actions(told)))
    for name in ("observe", "judge", "command"):
        more = () if name == "observe" else (action,)
        one, two = (getattr(doing, name)(np, told, memory, at, *more) for at in (now, other))
        for a, b in zip(_arrays(one), _arrays(two), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-7)


def _arrays(value):
    if isinstance(value, np.ndarray):
        return [value.astype(float)]
    every = value.values() if isinstance(value, dict) else vars(value).values()
    return [np.asarray(v, float) for v in every if v is not None]


@pytest.mark.parametrize("which", TASKS)
def test_worlds_are_judged_alike_alone_and_together(pack, which):
    episodes = begun(pack, which)
    told, doing, now = episodes.worlds.layout, episodes.task, episodes.now()
    rng = np.random.default_rng(0)
    uniform = rng.random((4, doing.numbers(told)))
    action = rng.uniform(-1, 1, (4, doing.actions(told)))
    memory = doing.begin(np, told, uniform, now)
    seen = doing.observe(np, told, memory, now)
    assert seen.shape == (4, len(doing.observations(told)))
    assert doing.observations(told) == SEEN
    watched = doing.watch(np, told, memory, now, doing.watch(np, told, memory, now, None))
    for i in range(4):
        one = _alone(now, i)
        own = doing.begin(np, told, uniform[i], one)
        for name, value in own.items():
            np.testing.assert_allclose(value, memory[name][i], atol=1e-12)
        np.testing.assert_allclose(doing.observe(np, told, own, one), seen[i], atol=1e-12)
        alone = doing.judge(np, told, own, one, action[i])
        both = doing.judge(np, told, memory, now, action)
        assert alone.reward == pytest.approx(both.reward[i])
        mine = doing.watch(np, told, own, one, doing.watch(np, told, own, one, None))
        assert {k: float(v) for k, v in mine.items()} == pytest.approx(
            {k: float(v[i]) for k, v in watched.items()})  # fmt: skip
        failed = doing.failures(np, told, own, one, mine)
        assert all(np.ndim(v) == 0 for v in failed.values())


def _alone(now: Now, i: int) -> Now:
    hand = replace(now.hand, **{k: v[i] for k, v in vars(now.hand).items()})
    shape = Shape(*(v[i] for v in vars(now.shape).values()))
    return Now(now.time[i], now.start[i], now.pose[i], now.velocity[i], hand, shape,
               None if now.clutter is None else now.clutter[i])  # fmt: skip


@pytest.mark.parametrize("which", TASKS)
def test_jax_makes_the_same_of_it(pack, which):
    jax = pytest.importorskip("jax", reason='pip install "cousins[mjx]"')
    jnp = jax.numpy
    episodes = begun(pack, which)
    told, doing, now = episodes.worlds.layout, episodes.task, episodes.now()
    rng = np.random.default_rng(1)
    uniform = rng.random((4, doing.numbers(told)))
    action = rng.uniform(-1, 1, (4, doing.actions(told)))

    def every(xp, uniform, now, action):
        memory = doing.begin(xp, told, uniform, now)
        watched = doing.watch(xp, told, memory, now, None)
        verdict = doing.judge(xp, told, memory, now, action)
        command = doing.command(xp, told, memory, now, action)
        return [doing.observe(xp, told, memory, now), verdict.reward, verdict.ended,
                verdict.success, command.joints, command.grip, *memory.values(),
                *doing.failures(xp, told, memory, now, watched).values()]  # fmt: skip

    jax.config.update("jax_enable_x64", True)
    try:
        theirs = jax.vmap(lambda u, i, a: every(jnp, u, _alone_of(jnp, now, i), a))(
            uniform, jnp.arange(4), action
        )
    finally:
        jax.config.update("jax_enable_x64", False)
    for a, b in zip(every(np, uniform, now, action), theirs, strict=True):
        np.testing.assert_allclose(a, np.asarray(b), atol=1e-9)


def _alone_of(xp, now, i):
    return _alone(
        Now(*(_taken(xp, getattr(now, f)) for f in
              ("time", "start", "pose", "velocity", "hand", "shape", "clutter"))), i
    )  # fmt: skip


def _taken(xp, value):
    if value is None:
        return None
    if isinstance(value, np.ndarray):
        return xp.asarray(value)
    return replace(value, **{k: xp.asarray(v) for k, v in vars(value).items()})


# Where an episode begins


@pytest.mark.parametrize("threads", [1, 2])
def test_the_seed_of_a_world_alone_decides_where_it_begins(pack, threads):
    few, many = (make_vec(pack, "place_on", n, threads=threads) for n in (2, 5))
    one, other = few.reset(seed=7)[0], many.reset(seed=7)[0]
    np.testing.assert_array_equal(one, other[:2])
    action = np.random.default_rng(0).uniform(-1, 1, (5, 5))
    for _ in range(5):
        one, other = few.step(action[:2])[0], many.step(action)[0]
        np.testing.assert_array_equal(one, other[:2])


@cache
def _twins(path, which):
    return make_vec(path, which, 3, cousins="twin", threads=1)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), which=st.sampled_from(("lift", "push", "stack")))
def test_a_thing_begins_near_where_the_cousin_has_it_and_stays_there(pack, seed, which):
    env = _twins(pack.path, which)
    env.reset(seed=seed)
    episodes = env.episodes
    now, told = episodes.now(), episodes.worlds.layout
    np.testing.assert_array_equal(now.start, now.pose)
    off = now.start[..., :3] - told.position
    about = episodes.memory["which"].argmax(1)
    mine = off[np.arange(3), about]
    assert (np.linalg.norm(mine, axis=1) <= JITTER + 1e-6).all()
    assert np.abs(mine[:, 2]).max() < 1e-9
    others = np.delete(off[0], about[0], axis=0)
    np.testing.assert_allclose(others, 0, atol=1e-12)
    turn = 2 * np.arccos(np.clip(np.abs((now.start[..., 3:] * told.quaternion).sum(-1)), 0, 1))
    assert turn.max() <= TURN + 1e-6
    for _ in range(6):
        out = episodes.step(np.zeros((3, env.single_action_space.shape[0])), np.zeros(3, bool))
    assert not out.unstable.any()
    after = episodes.now().pose
    assert np.abs(after - now.start)[..., :3].max() < 1e-3


def test_without_jitter_it_begins_as_it_is(pack):
    episodes = begun(pack, "lift", "twin", jitter=0.0)
    np.testing.assert_array_equal(episodes.now().start[0, :, :3], episodes.worlds.layout.position)
    spread = begun(pack, "lift", "twin", n=8, seed=3).now().start[:, BRICK, :2]
    assert np.ptp(spread, axis=0).min() > 0.005


@pytest.mark.parametrize("name", ["gantry", "arm"])
@pytest.mark.parametrize("which", TASKS)
def test_the_tool_begins_where_it_was_meant_to(pack, name, which):
    """Inverse kinematics got there: nothing was drawn that the robot does not reach."""
    env = make_vec(pack, which, 6, robot=name, threads=1)
    env.reset(seed=2)
    episodes = env.episodes
    told = episodes.worlds.layout
    s = sight(np, told, episodes.now())
    assert (told.robot.room(np, s.tool[:, :2]) > -1e-6).all()
    down = s.rotation[..., 2, 2]
    assert (down < -0.999).all()
    np.testing.assert_allclose(s.lag, 0, atol=1e-9)
    if which != "reach":
        return
    goal = told.robot.reaching(np, episodes.memory["goal"], np.zeros(6))
    from cousins.robots.chain import fk

    assert np.abs(fk(np, told.robot.chain, goal)[0] - episodes.memory["goal"]).max() < 2e-3


def test_what_carries_something_stays(pack):
    told = begun(pack, "lift", "twin").worlds.layout
    bare = np.ones(5, bool)
    bare[BRICK] = False
    episodes = begun(pack, "reach:brick_1", "twin")
    doing, now = episodes.task, episodes.now()
    uniform = np.random.default_rng(0).random((4, doing.numbers(told)))
    free = doing.begin(np, told, uniform, now)["objects"]
    kept = doing.begin(np, replace(told, bare=bare), uniform, now)["objects"]
    np.testing.assert_array_equal(kept, now.pose)
    assert np.abs(free - now.pose)[:, BRICK].max() > 1e-3
    np.testing.assert_array_equal(np.delete(free, BRICK, 1), np.delete(now.pose, BRICK, 1))


# What is done, and what is lost


def put(episodes: Episodes, k: int, place=None, quaternion=None, tool=None) -> Now:
    """The moment at which a thing's middle is at `place` (n, 3), and the tool at `tool`, in the
    base's frame; at rest."""
    now, told = episodes.now(), episodes.worlds.layout
    pose, hand = now.pose.copy(), now.hand
    s = sight(np, told, now)
    if quaternion is not None:
        pose[:, k, 3:] = quaternion
    if place is not None:
        there = place - s.middle[:, k]
        pose[:, k, :3] += turned(matrix(np, hand.base[:, 3:]), there)
    if tool is not None:
        joints = told.robot.reaching(np, tool, np.zeros(len(tool)))
        hand = replace(hand, joints=joints, target=joints)
    return replace(now, pose=pose, hand=hand)


def judged(episodes: Episodes, now: Now):
    told = episodes.worlds.layout
    action = np.zeros((len(now.time), episodes.task.actions(told)))
    return episodes.task.judge(np, told, episodes.memory, now, action)


@pytest.mark.parametrize("which", TASKS)
def test_nothing_is_done_and_nothing_lost_when_it_begins(pack, which):
    episodes = begun(pack, which)
    told = judged(episodes, episodes.now())
    assert not told.success.any()
    assert not told.ended.any()
    assert (told.reward <= 0).all()
    assert (told.reward >= -1.5).all()


def test_reached_is_where_the_goal_is(pack):
    episodes = begun(pack, "reach", "twin")
    goal = episodes.memory["goal"]
    there = judged(episodes, put(episodes, BRICK, tool=goal))
    assert there.success.all()
    assert (there.reward > 9).all()
    aside = judged(episodes, put(episodes, BRICK, tool=goal + [0.03, 0, 0]))
    assert not aside.success.any()


def test_pushed_is_where_the_region_is(pack):
    episodes = begun(pack, "push:brick_1", "twin")
    goal, radius = episodes.memory["goal"], episodes.task.radius
    for off, done in ((0.0, True), (0.9 * radius, True), (1.1 * radius, False)):
        told = judged(episodes, put(episodes, BRICK, goal + [off, 0, 0]))
        assert told.success.tolist() == [done] * 4
        assert told.ended.tolist() == [done] * 4
    fallen = judged(episodes, put(episodes, BRICK, goal, [0.7071, 0.7071, 0, 0]))
    assert not fallen.success.any() or fallen.ended.all()


def test_lifted_is_high_and_between_the_fingers(pack):
    episodes = begun(pack, "lift:brick_1", "twin")
    at = sight(np, episodes.worlds.layout, episodes.now()).middle[:, BRICK]
    high = at + [0, 0, episodes.task.height + 0.01]
    assert judged(episodes, put(episodes, BRICK, high, tool=high)).success.all()
    assert not judged(episodes, put(episodes, BRICK, high, tool=high + [0.1, 0, 0])).success.any()
    low = at + [0, 0, episodes.task.height - 0.01]
    assert not judged(episodes, put(episodes, BRICK, low, tool=low)).success.any()


@pytest.mark.parametrize("which", ["place_on:brick_1", "stack:brick_1:slab_1", "place_in:ball_1"])
def test_placed_is_there_and_let_go(pack, which):
    episodes = begun(pack, which, "twin")
    k = BALL if which.endswith("ball_1") else BRICK
    now = episodes.now()
    goal = episodes.task.goal(np, episodes.worlds.layout, episodes.memory,
                              sight(np, episodes.worlds.layout, now))  # fmt: skip
    away = goal + [0, 0, 0.15]
    assert judged(episodes, put(episodes, k, goal, tool=away)).success.all()
    assert not judged(episodes, put(episodes, k, goal, tool=goal)).success.any()
    beside = goal + [0.08, 0, 0]
    assert not judged(episodes, put(episodes, k, beside, tool=away)).success.any()
    held = goal + [0, 0, 0.1]
    assert not judged(episodes, put(episodes, k, held, tool=away + [0, 0, 0.1])).success.any()


def test_sorted_is_on_its_side(pack):
    episodes = begun(pack, "sort", "twin")
    told = episodes.worlds.layout
    now = episodes.now()
    pose = now.pose.copy()
    for k, y in ((BRICK, -0.2), (CAN, -0.1), (BALL, 0.2)):
        place = sight(np, told, now).middle[:, k].copy()
        place[:, 1] = y
        pose[:, k] = put(episodes, k, place).pose[:, k]
    done = replace(now, pose=pose)
    high = replace(done, hand=put(episodes, BALL, tool=np.tile([0.4, 0.0, 0.3], (4, 1))).hand)
    assert judged(episodes, high).success.all()
    wrong = pose.copy()
    wrong[:, BALL] = now.start[:, SLAB]  # right of the line
    assert not judged(episodes, replace(high, pose=wrong)).success.any()


@pytest.mark.parametrize("which", TASKS)
def test_what_falls_off_ends_it_and_costs_more_than_to_wait(pack, which):
    episodes = begun(pack, which)
    now = episodes.now()
    pose = now.pose.copy()
    pose[:2, SLAB, 2] -= 0.2
    pose[2, BOWL, 3:] = [0.6, 0.8, 0, 0]
    told = judged(episodes, replace(now, pose=pose))
    assert told.ended.tolist() == [True, True, True, False]
    # To do nothing costs at most 1 a step.
    assert (told.reward[:3] < -episodes.limit).all()


def test_a_ball_may_roll(pack):
    episodes = begun(pack, "lift", "twin")
    now = episodes.now()
    pose = now.pose.copy()
    pose[:, BALL, 3:] = [0, 1, 0, 0]
    assert not judged(episodes, replace(now, pose=pose)).ended.any()


# Why an episode failed


def failed(episodes: Episodes, moments) -> list[str]:
    """The first kind that is true after these moments."""
    told, watched = episodes.worlds.layout, None
    for now in moments:
        watched = episodes.task.watch(np, told, episodes.memory, now, watched)
    kinds = episodes.task.failures(np, told, episodes.memory, now, watched)
    true = [[name for name, value in kinds.items() if value[i]] for i in range(4)]
    return [names[0] if names else "" for names in true]


def opened(now: Now, width: float) -> Now:
    return replace(now, hand=replace(now.hand, opening=np.full(4, width)))


def test_a_failure_has_a_kind(pack):
    episodes = begun(pack, "place_on:brick_1", "twin")
    start, goal = episodes.now(), episodes.memory["goal"]
    at = sight(np, episodes.worlds.layout, start).middle[:, BRICK]
    gripped = opened(put(episodes, BRICK, at, tool=at), 0.05)
    raised = opened(put(episodes, BRICK, at + [0, 0, 0.1], tool=at + [0, 0, 0.1]), 0.05)
    away = put(episodes, BRICK, tool=at + [0, 0, 0.2])
    assert failed(episodes, [start, away]) == ["missed"] * 4
    assert failed(episodes, [start, gripped, away]) == ["slipped"] * 4
    assert failed(episodes, [start, gripped, raised, away]) == ["dropped"] * 4
    beside = put(episodes, BRICK, goal + [0.06, 0, 0], tool=goal + [0, 0, 0.2])
    assert failed(episodes, [start, gripped, raised, beside]) == ["misplaced"] * 4
    assert failed(episodes, [start, gripped, raised]) == [""] * 4  # only the time was up
    pose = start.pose.copy()
    pose[:, CAN, 0] += 0.05
    hit = replace(start, pose=pose)
    assert failed(episodes, [start, hit, start]) == ["collided"] * 4
    pose = start.pose.copy()
    pose[:, BRICK, 2] -= 0.2
    assert failed(episodes, [start, replace(start, pose=pose)]) == ["fell"] * 4


def test_pushing_fails_in_its_own_ways(pack):
    episodes = begun(pack, "push:brick_1", "twin")
    start = episodes.now()
    assert failed(episodes, [start, start]) == ["missed"] * 4
    pose = start.pose.copy()
    pose[:, BRICK, 0] += 0.02
    assert failed(episodes, [start, replace(start, pose=pose)]) == [""] * 4


def test_who_presses_against_something_collides(pack):
    episodes = begun(pack, "reach", "twin")
    start = episodes.now()
    target = start.hand.target.copy()
    target[:, 0] += 0.03
    pressed = replace(start, hand=replace(start.hand, target=target))
    assert failed(episodes, [start] + [pressed] * 5) == [""] * 4
    assert failed(episodes, [start] + [pressed] * 12) == ["collided"] * 4


# What a scene affords


def test_a_scene_affords_tasks_in_words(pack):
    found = offers(known(pack, robot("gantry")))
    told = {offer.spelled: offer.said for offer in found.offers}
    assert told["hold"] == "keep everything where it stands"
    assert told["push:can_1"] == "push can_1 into the marked region"
    assert told["place_in:ball_1:bowl_1"] == "put the test object (ball_1) into the bowl"
    assert told["stack:brick_1:slab_1"].startswith("stack the test object (brick_1) on the")
    assert "lift:slab_1" not in told
    assert "push:ball_1" not in told
    assert not found.lacking
    for spelled_, words in told.items():
        one = task(spelled_)
        assert said(one, known_(pack)) == words
        assert spelled(settled(one, known_(pack))) == spelled_


@cache
def _known(path):
    return known(read(path), robot("gantry"))


def known_(pack):
    return _known(pack.path)


def test_what_it_does_not_afford_has_a_reason(pack):
    told = known_(pack)
    shape = replace(told.shape, depth=np.zeros(5))
    found = offers(replace(told, shape=shape, rolls=np.zeros(5, bool)))
    assert found.lacking["place_in"] == "nothing here has an opening"
    assert found.lacking["sort"].startswith("not both what rolls and what stands")
    far = replace(told, base=told.base + [0, -5, 0, 0, 0, 0, 0])
    assert set(offers(far).lacking) == set(TASKS)
    with pytest.raises(UsageError, match="task lift: nothing within reach fits"):
        task("lift").chosen(far)
    assert offers(far, ["reach"]).lacking == {"reach": "nothing here is within reach"}


def test_an_environment_is_about_what_it_is_told(pack):
    episodes = begun(pack, "push:brick_1")
    assert episodes.instruction == "push the test object (brick_1) into the marked region"
    assert (episodes.memory["which"].argmax(1) == BRICK).all()
    several = begun(pack, "lift", n=12, object="any")
    assert len(set(several.memory["which"].argmax(1))) > 1
    assert several.instruction == "pick up a thing"
    pairs = begun(pack, "stack", n=12, object="any", target="can_1")
    assert set(pairs.memory["which"].argmax(1)) == {BRICK}
    assert task("stack:brick_1:can_1").instruction == "stack brick_1 on can_1"
    assert task("lift").instruction == "pick up the object"


@pytest.mark.parametrize(
    ("name", "how", "told"),
    [
        ("push:slap_1", {}, "does not suit 'slap_1'; it suits: can_1, brick_1"),
        ("lift:slab_1", {}, "does not suit 'slab_1'"),
        ("push:can_1:slab_1", {}, r"what is 'slab_1'\? It takes push:OBJECT$"),
        ("stack:a:b:c", {}, r"It takes stack:OBJECT:TARGET$"),
        ("hold:can_1", {}, "It takes no object"),
        ("push:can_1", {"object": "can_1"}, "what is 'can_1'"),
        ("stack", {"target": "ball_1"}, "nothing can be put there: 'ball_1'; there is: slab_1"),
        ("sort", {"object": "can_1"}, "takes no object"),
        ("lift", {"robot": "crane"}, "robots: arm, gantry"),
        ("lift", {"control": "thought"}, "controllers: joint, delta, pose"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(pack, name, how, told):
    with pytest.raises(UsageError, match=told) as caught:
        make_vec(pack, name, 1, cousins="twin", threads=1, **how).reset(seed=0)
    assert "\n" not in str(caught.value)


def test_gymnasium_has_names_for_them(pack):
    import gymnasium

    env = gymnasium.make_vec("cousins/Lift-v0", num_envs=2, pack=pack, cousins="twin", robot="arm")
    seen, info = env.reset(seed=0)
    assert seen.shape == (2, len(SEEN))
    assert info["cousin"].tolist() == [-1, -1]
