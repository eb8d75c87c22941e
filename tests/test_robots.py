"""Robots that ship and robots of one's own: what is read, how they move, what they hold."""

import copy
import re

import menagerie
import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cousins.errors import UsageError
from cousins.resources import asset
from cousins.robots import names, robot
from cousins.robots.chain import chain, fk, poses, rotation_of, vector_of
from cousins.robots.check import collides, pads
from cousins.robots.control import controller, grip, targets
from cousins.robots.ik import ik

PERIOD = 0.05
DOWN = np.diag([1.0, -1.0, -1.0])


@pytest.fixture(scope="module")
def seven(tmp_path_factory):
    return robot(*menagerie.write(tmp_path_factory.mktemp("seven")))


@pytest.fixture(scope="module", params=["gantry", "arm", "seven"])
def any_robot(request):
    return request.getfixturevalue("seven") if request.param == "seven" else robot(request.param)


def joints_of(links, seed, n=20):
    return np.random.default_rng(seed).uniform(links.low, links.high, (n, len(links)))


# What ships


def test_two_robots_ship():
    assert names() == ("arm", "gantry")
    assert (asset("robots") / "arm" / "LICENSE").exists()


def test_they_wear_the_same_gripper():
    texts = [(asset("robots") / name / "robot.xml").read_text() for name in names()]
    palm = re.compile(r'<body name="palm".*?(</body>\s*){3}', re.DOTALL)
    found = [palm.search(text)[0].split() for text in texts]
    assert found[0] == found[1]


@pytest.mark.parametrize("name", ["gantry", "arm"])
def test_at_home_the_tool_points_down_ahead_of_the_base(name):
    made = robot(name)
    place, turned = fk(np, chain(made), np.array(made.config.home))
    assert turned == pytest.approx(DOWN, abs=1e-9)
    assert place[0] > 0.25
    assert place[1] == pytest.approx(0)
    assert 0.2 < place[2] < 0.5


def test_a_gantrys_joints_are_its_tools_place():
    links = chain(robot("gantry"))
    place, turned = fk(np, links, np.array([0.4, -0.2, 0.1, 0.7]))
    assert place == pytest.approx([0.4, -0.2, 0.1])
    assert vector_of(np, turned @ DOWN.T) == pytest.approx([0, 0, 0.7])


@pytest.mark.parametrize(("name", "most"), [("gantry", 8), ("arm", 10)])
def test_few_geoms_collide_and_none_of_them_with_another(name, most):
    model = robot(name).model()
    meets = (model.geom_contype | model.geom_conaffinity) != 0
    assert 0 < meets.sum() <= most
    assert not (model.geom_bodyid == 0).any()
    links = chain(robot(name))
    data = mujoco.MjData(model)
    for q in joints_of(links, 1):
        data.qpos[: len(links)] = q
        mujoco.mj_forward(model, data)
        assert data.ncon == 0


def test_what_hangs_above_a_table_is_high_and_what_stands_low_is_slender():
    model = robot("gantry").model()
    data = mujoco.MjData(model)
    data.qpos[:4] = robot("gantry").config.home
    mujoco.mj_forward(model, data)
    meets = (model.geom_contype | model.geom_conaffinity) != 0
    tool = data.site("tool").xpos
    away = np.linalg.norm(data.geom_xpos[:, :2] - tool[:2], axis=1)
    assert data.geom_xpos[~meets & (away > 0.15), 2].min() > 0.8
    assert away[meets].max() < 0.06


# One's own


def test_ones_own_is_read_as_it_is(seven):
    model = seven.model()
    assert seven.config.tool == "tool"
    assert model.nq == 9
    assert model.nlight == model.nkey == 0
    assert all(name.startswith("seven-") for name in seven.files)
    assert (model.body_gravcomp[1:] == 1).all()
    touching = list(pads(model, seven.config))
    assert len(touching) == 2
    assert (model.geom_friction[touching, 0] == 1.2).all()
    assert (model.geom_priority[touching] == 2).all()
    others = [g for g in range(model.ngeom) if collides(model, g) and g not in touching]
    assert (model.geom_priority[others] == 0).all()
    # The site lies as the description has it, whatever the model's defaults for sites are.
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    hand = data.body("hand")
    assert data.site("tool").xmat == pytest.approx(hand.xmat)
    assert data.site("tool").xpos - hand.xpos == pytest.approx(0.1 * hand.xmat.reshape(3, 3)[:, 2])


def test_its_root_stands_where_the_description_has_it(tmp_path):
    config = {**menagerie.CONFIG, "stand": {"position": [0, 0, 0.2], "quaternion": [0, 0, 0, 1]}}
    made = robot(*menagerie.write(tmp_path, config))
    model = made.model()
    assert model.body("link0").pos == pytest.approx([0, 0, 0.2])
    plain = chain(robot(*menagerie.write(tmp_path / "plain")))
    q = joints_of(plain, 2)
    turned = fk(np, plain, q)[0] * [-1, -1, 1] + [0, 0, 0.2]
    assert fk(np, chain(made), q)[0] == pytest.approx(turned)


def test_it_joins_a_scene(seven):
    scene = mujoco.MjSpec.from_string(
        "<mujoco><worldbody><frame name='base' pos='1 2 3'/></worldbody></mujoco>"
    )
    own = mujoco.MjSpec.from_string(seven.xml, assets=dict(seven.files))
    scene.attach(own, prefix="robot/", frame=scene.frame("base"))
    model = scene.compile()
    assert len(pads(model, seven.config, "robot/")) == 2


JOINTS, DRIVES = menagerie.CONFIG["joints"], menagerie.CONFIG["actuators"]
PLUGIN = '<extension><plugin plugin="x"/></extension><worldbody>'
ENTITY = "<!DOCTYPE a [<!ENTITY b 'c'>]><mujoco>"
WEDGE = 'mesh="wedge" class="collision"/>'
CASES = [
    ({"joints": ["joint1", "nope", *JOINTS[2:]]}, {}, r"no joint 'nope'.*joint7, finger"),
    (
        {"actuators": ["actuator2", "actuator1", *DRIVES[2:]]},
        {},
        "does not drive the joint 'joint1'",
    ),
    ({"actuators": ["actuator8", *DRIVES[1:]]}, {}, "'actuator8' is named twice"),
    ({"joints": JOINTS[::-1]}, {}, r"from the base to 'tool' there are: joint1, joint2"),
    ({"home": [0, 0, 0, 0, 0, 0, 0]}, {}, r"home of 'joint4', 0, is not in -3 to -0.1"),
    ({"home": [0, 0, 0]}, {}, "home has 3 entries, joints 7"),
    ({"tool": "grasp"}, {}, "no site 'grasp'; there are: none that has a name"),
    ({"tool": {"body": "fist"}}, {}, r"no body 'fist'; bodies: link0, link1"),
    (
        {"tool": {"body": "link3"}},
        {},
        r"from the base to 'tool' there are: joint1, joint2, joint3$",
    ),
    ({"base": "link1"}, {}, "base 'link1' is not alone at the root: 'link0'"),
    ({"reach": -1}, {}, "reach: Input should be greater than 0"),
    ({"reach": float("nan")}, {}, "reach: "),
    ({"colour": "red"}, {}, "colour: Extra inputs"),
    ({"workspace": {"low": [0, 0, 0], "high": [1, 0, 1]}}, {}, "low must lie below high"),
    ({}, {'biastype="affine"': 'biastype="none"'}, "'actuator1' is no position actuator"),
    ({}, {'gainprm="3000"': 'gainprm="200"'}, "'actuator1' is no position actuator"),
    ({}, {'range="-2.9 2.9"/>': 'limited="false"/>'}, "'joint1' has no range"),
    ({}, {"wedge.obj": "../../wedge.obj"}, "not in its folder"),
    ({}, {"wedge.obj": "/etc/passwd"}, "not in its folder"),
    ({}, {"wedge.obj": "gone.obj"}, "gone.obj is missing"),
    ({}, {"<worldbody>": '<include file="more.xml"/><worldbody>'}, "holds <include>"),
    ({}, {"<worldbody>": PLUGIN}, "holds <extension>"),
    ({}, {'<mujoco model="seven">': ENTITY}, "declares XML entities"),
    ({}, {"<worldbody>": '<worldbody><geom type="plane" size="1 1 1"/>'}, "belong to no body"),
    ({}, {"</worldbody>": "</worldbody"}, "not well-formed XML"),
    ({}, {WEDGE: WEDGE.replace("wedge", "gone")}, "MuJoCo refuses it: .*gone"),
]


@pytest.mark.parametrize(("change", "texts", "told"), CASES, ids=range(len(CASES)))
def test_what_does_not_fit_is_told_in_a_line(tmp_path, change, texts, told):
    config = {**copy.deepcopy(menagerie.CONFIG), **change}
    files = menagerie.write(tmp_path, config, **texts)
    with pytest.raises(UsageError, match=told) as error:
        robot(*files)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith((str(tmp_path), "robot seven"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"actuators": ["nine"]}, "no actuator 'nine'; there are: actuator1"),
        ({"open": [300]}, "'actuator8' is told 0 to 255"),
        ({"closed": [0, 0]}, "gripper.closed has 2 entries, gripper.actuators 1"),
        ({"joints": ["finger_joint1", "joint2"]}, "'joint2' is named twice"),
        ({"home": [0.04, 0.5]}, r"home of 'finger_joint2', 0.5, is not in 0 to 0.04"),
        ({"pads": ["thumb"]}, "no geom 'thumb'"),
        ({"pads": ["hand"]}, "'hand' collides with nothing"),
    ],
)
def test_a_gripper_that_does_not_fit_is_told_in_a_line(tmp_path, change, told):
    config = copy.deepcopy(menagerie.CONFIG)
    config["gripper"] |= change
    with pytest.raises(UsageError, match=told):
        robot(*menagerie.write(tmp_path, config))


def test_what_is_no_robot_is_told_in_a_line(tmp_path):
    with pytest.raises(UsageError, match="no robot 'panda'; robots: arm, gantry"):
        robot("panda")
    path, config = menagerie.write(tmp_path)
    with pytest.raises(UsageError, match="Describe it in a YAML file"):
        robot(path)
    with pytest.raises(UsageError, match=r"gone.xml: cannot be read"):
        robot(tmp_path / "gone.xml", config)
    for text, told in [
        ("a: [", "no YAML"),
        ("7", "no mapping"),
        ("!!python/name:os.system", "no YAML"),
        ("name: x", "base: Field required"),
        ("\0", "no YAML"),
    ]:
        config.write_text(text)
        with pytest.raises(UsageError, match=told):
            robot(path, config)


# How they move


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15)
def test_the_chain_is_mujocos(any_robot, seed):
    model, links = any_robot.model(), chain(any_robot)
    data, q = mujoco.MjData(model), joints_of(links, seed, 4)
    place, turned, moves = poses(np, links, q)
    columns = [model.joint(name).dofadr[0] for name in any_robot.config.joints]
    site = model.site(any_robot.config.tool).id
    for k in range(len(q)):
        for name, value in zip(any_robot.config.joints, q[k], strict=True):
            data.joint(name).qpos = value
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        both = np.zeros((6, model.nv))
        mujoco.mj_jacSite(model, data, both[:3], both[3:], site)
        assert place[k] == pytest.approx(data.site_xpos[site], abs=1e-9)
        assert turned[k] == pytest.approx(data.site_xmat[site].reshape(3, 3), abs=1e-9)
        assert moves[k] == pytest.approx(both[:, columns], abs=1e-9)


def test_a_joint_may_lie_anywhere_in_its_body(tmp_path):
    # Off its body's origin, askew, and with a rest that is not 0; MuJoCo has all three.
    texts = {
        '<joint name="joint3"': '<joint pos="0.1 -0.2 0.05" axis="1 2 -1" ref="0.4" name="joint3"'
    }
    made = robot(*menagerie.write(tmp_path, None, **texts))
    model, links = made.model(), chain(made)
    data, q = mujoco.MjData(model), joints_of(links, 3, 1)[0]
    data.qpos[:7] = q
    mujoco.mj_kinematics(model, data)
    assert fk(np, links, q)[0] == pytest.approx(data.site("tool").xpos, abs=1e-9)


@given(
    st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda v: np.linalg.norm(v) > 1e-3),
    st.one_of(st.floats(0, np.pi), st.floats(0, 1e-6), st.floats(np.pi - 1e-6, np.pi - 1e-9)),
)
def test_rotation_vectors_go_there_and_back(way, angle):
    vector = angle * np.array(way) / np.linalg.norm(way)
    rotation = rotation_of(np, vector)
    assert rotation @ rotation.T == pytest.approx(np.eye(3), abs=1e-12)
    assert vector_of(np, rotation) == pytest.approx(vector, abs=1e-7)


def test_a_pose_that_some_joints_reach_is_reached(any_robot):
    links = chain(any_robot)
    middle = np.array(any_robot.config.home)
    q = middle + np.random.default_rng(4).uniform(-0.25, 0.25, (50, len(links)))
    q = np.clip(q, links.low, links.high)
    place, turned = fk(np, links, q)
    start = np.tile(middle, (50, 1))
    found, left = ik(np, links, start, place, turned, rest=middle)
    assert (left < 1e-5).all()
    assert fk(np, links, found)[0] == pytest.approx(place, abs=1e-5)
    assert (found >= links.low).all()
    assert (found <= links.high).all()


def test_out_of_reach_it_gets_as_near_as_it_can():
    made = robot("arm")
    links, home = chain(made), np.array(made.config.home)
    found, left = ik(np, links, home, np.array([3.0, 0.0, 0.1]), DOWN)
    assert np.isfinite(found).all()
    assert left[0] > 1
    assert fk(np, links, found)[0][0] > 0.85


def test_all_that_an_arm_should_reach_it_reaches():
    made = robot("arm")
    angle, far, high = np.meshgrid(
        np.linspace(-2, 2, 9), np.linspace(0.25, 0.85, 7), [0.015, 0.1, 0.2]
    )
    place = np.stack([far * np.cos(angle), far * np.sin(angle), high], -1).reshape(-1, 3)
    start = np.tile(made.config.home, (len(place), 1))
    start[:, 0] = np.arctan2(place[:, 1], place[:, 0])
    left = ik(np, chain(made), start, place, DOWN)[1]
    assert (left < 1e-4).all()


# What actions do


def test_delta_moves_the_tool_as_far_as_its_speed(any_robot):
    control = controller(any_robot, "delta")
    assert [a.name for a in control.actions] == ["dx", "dy", "dz", "dyaw", "grip"]
    home = np.array(any_robot.config.home)
    place, turned = fk(np, control.chain, home)
    for k, axis in enumerate(np.eye(3)):
        action = np.append(axis, [0, 0])
        q = targets(np, control, home, home, action, PERIOD)
        then, still = fk(np, control.chain, q)
        assert then - place == pytest.approx(control.actions[k].high * PERIOD * axis, abs=1e-5)
        assert still == pytest.approx(turned, abs=1e-4)
    q = targets(np, control, home, home, np.array([0, 0, 0, -0.5, 0]), PERIOD)
    then, still = fk(np, control.chain, q)
    assert then == pytest.approx(place, abs=1e-5)
    turn = vector_of(np, still @ turned.T)
    assert turn == pytest.approx([0, 0, -0.5 * control.tool_turn * PERIOD], abs=1e-4)


@given(
    seed=st.integers(0, 10_000),
    mode=st.sampled_from(["joint", "delta", "pose"]),
    strong=st.sampled_from([0.3, 1.0, 1e6]),
)
@settings(max_examples=30)
def test_targets_keep_ranges_speeds_and_leash(any_robot, seed, mode, strong):
    control = controller(any_robot, mode)
    rng = np.random.default_rng(seed)
    target = np.clip(np.array(any_robot.config.home) + rng.normal(0, 0.2, (3, len(control.chain))),
                     control.chain.low, control.chain.high)  # fmt: skip
    stuck = target.copy()  # it is held where it is, whatever it is told
    before = target
    for action in strong * rng.uniform(-1, 1, (12, 3, len(control.axes))):
        target = targets(np, control, before, stuck, action, PERIOD)
        assert np.isfinite(target).all()
        assert (target >= control.chain.low - 1e-12).all()
        assert (target <= control.chain.high + 1e-12).all()
        assert (np.abs(target - before) <= control.speed * PERIOD + 1e-9).all()
        before = target
    if mode == "joint":
        assert (np.abs(target - stuck) <= 0.15 * control.speed + 1e-9).all()
    else:
        away = fk(np, control.chain, target)[0] - fk(np, control.chain, stuck)[0]
        assert np.abs(away).max() < control.leash + 0.01


def test_what_pushes_lets_go_at_once():
    control = controller(robot("arm"), "delta")
    q = stuck = np.array(robot("arm").config.home)
    start = fk(np, control.chain, q)[0]
    for _ in range(100):
        q = targets(np, control, q, stuck, np.array([1.0, 0, 0, 0, 0]), PERIOD)
    ahead = fk(np, control.chain, q)[0] - start
    assert ahead == pytest.approx([control.leash, 0, 0], abs=1e-3)
    for _ in range(3):
        q = targets(np, control, q, stuck, np.array([-1.0, 0, 0, 0, 0]), PERIOD)
    assert (fk(np, control.chain, q)[0] - start)[0] < 0


def test_what_presses_down_does_not_let_go_sideways():
    control = controller(robot("arm"), "delta")
    q = np.array(robot("arm").config.home)
    start = fk(np, control.chain, q)[0]
    off, _ = ik(np, control.chain, q, start + [0.01, 0, 0], DOWN)  # as what it rubs on drags it
    for _ in range(50):
        q = targets(np, control, q, off, np.array([0, 0, -1.0, 0, 0]), PERIOD)
    assert fk(np, control.chain, q)[0] == pytest.approx(start - [0, 0, control.leash], abs=1e-3)


def test_what_no_action_moves_is_held(any_robot):
    control = controller(any_robot, "delta", axes=("x", "y"), place=(0.4, 0.0, 0.1), grip=-1)
    assert [a.name for a in control.actions] == ["dx", "dy"]
    q = np.array(any_robot.config.home)
    _, held = fk(np, control.chain, q)
    rng = np.random.default_rng(5)
    for _ in range(60):
        q = targets(np, control, q, q, rng.uniform(-1, 1, 2), PERIOD)
    place, turned = fk(np, control.chain, q)
    assert place[2] == pytest.approx(0.1, abs=1e-5)
    assert turned == pytest.approx(held, abs=1e-4)


def test_pose_goes_to_a_place_in_the_workspace(any_robot):
    control = controller(any_robot, "pose")
    told = any_robot.config.workspace
    q = np.array(any_robot.config.home)
    action = np.array([-0.2, 0.2, -0.5, 0.1, -1])
    steps = []
    for _ in range(120):
        q, last = targets(np, control, q, q, action, PERIOD), q
        steps.append(fk(np, control.chain, q)[0] - fk(np, control.chain, last)[0])
    low, high = np.array(told.low), np.array(told.high)
    place, turned = fk(np, control.chain, q)
    assert place == pytest.approx(low + (action[:3] + 1) / 2 * (high - low), abs=1e-4)
    assert vector_of(np, turned @ control.turn.T) == pytest.approx([0, 0, 0.1 * np.pi], abs=1e-3)
    assert np.linalg.norm(steps, axis=1).max() <= control.tool_speed * PERIOD + 1e-3


def test_joint_moves_joints():
    control = controller(robot("gantry"), "joint", axes=("yaw", "x"))
    assert [(a.name, a.unit, a.high) for a in control.actions] == [
        ("dyaw", "rad/s", 3.0),
        ("dx", "m/s", 0.5),
    ]
    q = np.array(robot("gantry").config.home)
    moved = targets(np, control, q, q, np.array([-1.0, 0.5]), PERIOD) - q
    assert moved == pytest.approx([0.25 * PERIOD, 0, 0, -3 * PERIOD])


def test_the_gripper_opens_as_fast_as_it_goes(any_robot):
    control = controller(any_robot, "delta")
    told = any_robot.config.gripper
    ctrl, action = np.array(told.closed), np.array([0, 0, 0, 0, 1.0])
    actions = 0
    while not np.allclose(ctrl, told.open):
        ctrl = grip(np, control, ctrl, action, PERIOD)
        actions += 1
    assert actions * PERIOD == pytest.approx(told.opening / told.speed, abs=PERIOD)
    half = grip(np, control, ctrl, 0 * action, 10.0)
    assert half == pytest.approx((np.array(told.closed) + told.open) / 2)


@pytest.mark.parametrize(
    ("name", "mode", "axes", "told"),
    [
        ("arm", "torque", None, "no controller 'torque'; controllers: joint, delta, pose"),
        ("arm", "delta", ("x", "w"), "axis 'w' is not there; there are: x, y, z, roll"),
        ("arm", "delta", ("x", "x"), "axis 'x' is named twice"),
        ("arm", "delta", ("grip",), "no axis moves the tool"),
        ("arm", "pose", ("x", "roll"), "roll and pitch are for the controller delta"),
        ("gantry", "delta", ("x", "roll"), "robot gantry: its joints cannot move .* axis 'roll'"),
        ("gantry", "joint", ("elbow",), "axis 'elbow' is not there; there are: x, y, z, yaw, grip"),
    ],
)
def test_what_cannot_be_controlled_is_told_in_a_line(name, mode, axes, told):
    with pytest.raises(UsageError, match=told):
        controller(robot(name), mode, axes)


def test_many_worlds_are_as_each_alone():
    control = controller(robot("arm"), "delta", axes=("x", "y", "z", "roll", "pitch", "yaw"))
    rng = np.random.default_rng(6)
    q = np.array(robot("arm").config.home) + rng.normal(0, 0.1, (2, 3, 6))
    action = rng.uniform(-1, 1, (2, 3, 6))
    every = targets(np, control, q, q, action, PERIOD)
    for k in np.ndindex(2, 3):
        assert targets(np, control, q[k], q[k], action[k], PERIOD) == pytest.approx(
            every[k], abs=1e-12
        )


@pytest.mark.parametrize(("name", "mode"), [("gantry", "pose"), ("arm", "delta")])
def test_jax_gives_the_same(name, mode):
    jax = pytest.importorskip("jax")
    jnp, made = jax.numpy, robot(name)
    links, q = chain(made), joints_of(chain(made), 7)
    for there, here in zip(
        jax.jit(lambda q: poses(jnp, links, q))(q), poses(np, links, q), strict=True
    ):
        assert np.asarray(there) == pytest.approx(here, abs=1e-5)
    control, home = controller(made, mode), np.tile(made.config.home, (5, 1))
    action = np.random.default_rng(8).uniform(-1, 1, (5, len(control.axes)))

    def one(q, a):
        return targets(jnp, control, q, q, a, PERIOD)

    wanted = targets(np, control, home, home, action, PERIOD)
    assert np.asarray(jax.jit(jax.vmap(one))(home, action)) == pytest.approx(wanted, abs=1e-4)


# What they hold

TABLE = """
<mujoco>
  <option timestep="0.002" integrator="implicitfast" cone="elliptic" impratio="100"/>
  <worldbody>
    <geom type="box" size="0.6 0.8 0.02" pos="0.45 0 -0.02" solref="0.006 1"/>
    <body name="box" pos="0.45 0.05 0.03"><freejoint/>
      <geom type="box" size="0.03 0.03 0.03" mass="0.5" priority="1" condim="4" solref="0.006 1"
        friction="0.15 0.005 0.0001"/>
    </body>
  </worldbody>
</mujoco>
"""


@pytest.mark.parametrize("name", ["gantry", "arm"])
def test_a_slippery_box_of_half_a_kilo_is_lifted_and_held(name):
    made = robot(name)
    told, control = made.config, controller(made, "delta")
    spec = mujoco.MjSpec.from_string(TABLE)
    spec.attach(mujoco.MjSpec.from_string(made.xml), prefix="r/", frame=spec.worldbody.add_frame())
    model = spec.compile()
    data = mujoco.MjData(model)
    count = len(told.joints)
    qpos = [int(model.joint(f"r/{n}").qposadr[0]) for n in told.joints]
    data.qpos[qpos] = q = np.array(told.home)
    data.ctrl[count:] = told.gripper.open
    box, tool = data.body("box"), data.site("r/tool")

    def go(where, opening, seconds):
        nonlocal q
        for _ in range(round(seconds / PERIOD)):
            way = (np.array(where) - fk(np, control.chain, q)[0]) / (control.tool_speed * PERIOD)
            action = np.array([*np.clip(way, -1, 1), 0, opening])
            q = targets(np, control, q, data.qpos[qpos], action, PERIOD)
            data.ctrl[:count] = q
            data.ctrl[count:] = grip(np, control, data.ctrl[count:], action, PERIOD)
            mujoco.mj_step(model, data, round(PERIOD / model.opt.timestep))

    go([0.45, 0.05, 0.15], 1, 1.5)
    assert tool.xpos == pytest.approx([0.45, 0.05, 0.15], abs=1e-3)
    go([0.45, 0.05, 0.03], 1, 1.0)
    go([0.45, 0.05, 0.03], -1, 0.8)
    assert box.xpos == pytest.approx([0.45, 0.05, 0.03], abs=2e-3)
    go([0.45, 0.05, 0.23], -1, 1.5)
    assert box.xpos[2] > 0.22
    before = box.xpos - tool.xpos
    go([0.45, 0.05, 0.23], -1, 5.0)
    assert np.linalg.norm(box.xpos - tool.xpos - before) < 0.002
    go([0.45, 0.05, 0.23], 1, 1.0)
    assert box.xpos[2] == pytest.approx(0.03, abs=2e-3)
