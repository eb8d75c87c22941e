"""A deployed policy runs without cousins, does what it did at export, and is guarded."""

import ast
import json
import math
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from cousins.cli.main import app
from hypothesis import given
from hypothesis import strategies as st
from policies import write_pack
from typer.testing import CliRunner

from cousins import deploy as deploying
from cousins.deploy import deploy, runner
from cousins.errors import PackError, PolicyError, UsageError
from cousins.policies.card import Card, Normalisation, TaskTold, TrainedOn, write_card
from cousins.policies.mlp import Mlp, graph

OBJECTS = ("box_1", "box_2", "can_1", "bowl_1")
PARTS = ("dx", "dy", "dz", "qw", "qx", "qy", "qz", "vx", "vy", "vz", "wx", "wy", "wz")
NAMES = tuple(f"{o}.{p}" for o in OBJECTS for p in PARTS)
ACTIONS = tuple(f"{o}.{a}" for o in OBJECTS for a in ("fx", "fy"))
SEEN = (*(f"tool.{a}" for a in ("x", "y", "z")), "object.x", "goal.z")


def network(inputs, outputs, seed=0):
    """Two layers, of small numbers, so that it pulls a little."""
    rng = np.random.default_rng(seed)
    sizes = [(16, inputs), (outputs, 16)]
    layers = tuple((rng.normal(0, 0.3, s).astype(np.float32), np.zeros(s[0], np.float32))
                   for s in sizes)  # fmt: skip
    mean, std = np.full(inputs, 0.1, np.float32), np.full(inputs, 0.5, np.float32)
    return Mlp(mean, std, 10.0, layers, "Tanh", squash=True)


def card(names=NAMES, actions=ACTIONS, **changes):
    many = len(names)
    norm = Normalisation(mean=(0.1,) * many, std=(0.5,) * many, clip=10.0)
    return Card(**{
        "cousins_version": "0.1.0", "task": TaskTold(name="hold", settings={"limit": 0.4}),
        "control": 0.02, "observation": names, "action": actions, "normalisation": norm,
        "trained_on": TrainedOn(pack="kitchen", count=60, distance=(0.1, 0.4)),
        "trainer": "ppo", "engine": "cpu", "steps": 1000, "seed": 3, **changes,
    })  # fmt: skip


def write_run(folder, told, net):
    folder.mkdir(parents=True)
    (folder / "policy.onnx").write_bytes(graph(net))
    write_card(folder / "policy.json", told)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    return write_run(tmp_path_factory.mktemp("deploy") / "run", card(), network(52, 8))


@pytest.fixture(scope="module")
def folder(run):
    out = run.parent / "out"
    deploy(run, out)
    return out


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    path = tmp_path_factory.mktemp("deploy") / "pack"
    write_pack(path)
    return path


def bare(folder, *arguments, code=0):
    """runner.py in an interpreter in which nothing but numpy and onnxruntime is to be had."""
    blocked = ("cousins", "scipy", "mujoco", "pydantic", "gymnasium", "typer", "rich", "onnx")
    text = (
        f"import runpy, sys\nfor name in {blocked!r}: sys.modules[name] = None\n"
        "sys.argv[0] = sys.argv[1]; del sys.argv[1]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", text, str(folder / "runner.py"), *map(str, arguments)],
        capture_output=True, text=True, check=False, cwd=folder.parent,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_the_folder_runs_without_cousins_as_it_did_here(folder):
    done = bare(folder, "--check")
    assert "64 recorded observations give the same actions" in done.stdout
    met = json.loads(bare(folder, "--dry-run", "--seconds", 0.3).stdout)
    assert met["stopped"] is None
    assert 5 <= met["steps"] <= 18, "fifty times a second"


def test_the_folder_says_what_the_policy_takes_gives_and_is_from(folder):
    told = json.loads((folder / "deploy.json").read_text())
    assert told["task"]["instruction"] == "keep everything where it stands"
    assert told["control"] == {"period": 0.02, "rate": 50.0}
    assert [o["name"] for o in told["observation"]] == list(NAMES)
    first = told["observation"][0]
    assert (first["unit"], first["meaning"]) == ("m", "from where it stood, along the world's x")
    assert first["range"] == pytest.approx([0.1 - 2.5, 0.1 + 2.5])
    assert all((a["low"], a["high"], a["rest"]) == (-1, 1, 0) for a in told["action"])
    assert told["provenance"]["trained_on"]["pack"] == "kitchen"
    text = (folder / "README.md").read_text()
    assert "50 times a second" in text
    assert "Horizontal forces on each object" in text
    assert "z up" in text
    assert told["policy"]["sha256"] in text
    assert sorted(p.name for p in folder.iterdir()) == sorted(deploying.FILES)


def test_the_same_policy_gives_the_same_folder(run, folder, tmp_path):
    deploy(run, tmp_path / "again")
    for name in deploying.FILES:
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes(), name


def test_the_runner_is_plain_enough_for_a_robot_s_computer(folder):
    """Python 3.9, and no library but two."""
    tree = ast.parse((folder / "runner.py").read_text(), feature_version=(3, 9))
    modules = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [a.name for a in node.names] if isinstance(node, ast.Import)
            else [node.module] if isinstance(node, ast.ImportFrom) else []
        )
    }  # fmt: skip
    assert modules - sys.stdlib_module_names == {"numpy", "onnxruntime"}


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("policy.onnx", lambda data: data[:-1], "is not the file that deploy.json tells of"),
        ("sample.npz", lambda data: data[:-40], "cannot be read"),
        ("deploy.json", lambda data: data[:-9], "cannot be used"),
        ("deploy.json", lambda data: data.replace(b'"flag"', b'"shrug"'), "outside is 'shrug'"),
        ("deploy.json", lambda data: data.replace(b"_version\": 1,", b"_version\": 9,"), "reads 1"),
    ],
)  # fmt: skip
def test_a_damaged_folder_does_not_begin(folder, tmp_path, name, change, words):
    for path in folder.iterdir():
        data = path.read_bytes()
        (tmp_path / path.name).write_bytes(change(data) if path.name == name else data)
    done = bare(tmp_path, "--check", code=1)
    assert done.stderr.startswith("error: ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_another_answer_than_at_export_is_found(folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with np.load(folder / "sample.npz") as held:
        np.savez(tmp_path / "sample.npz", observation=held["observation"],
                 action=held["action"] + 1e-3)  # fmt: skip
    assert "actions are off by 0.001" in bare(tmp_path, "--check", code=1).stderr


def test_what_a_pack_shows_of_it_is_recorded(run, pack, tmp_path):
    done = deploy(run, tmp_path / "out", pack=pack, episodes=6)
    assert done.recorded[0] == 6
    assert done.notes == ()
    told = json.loads((tmp_path / "out" / "deploy.json").read_text())
    assert told["provenance"]["recorded_on"]["pack"] == pack.name
    for one in told["observation"]:
        (low, high), (least, middle, most) = one["seen"], one["quantiles"]
        assert one["range"][0] <= low <= least <= middle <= most <= high <= one["range"][1]
    changes = [a["max_change"] for a in told["action"]]
    assert all(0 < change < 2 for change in changes)
    with np.load(tmp_path / "out" / "sample.npz") as held:
        seen = held["observation"]
    lowest = np.array([one["seen"][0] for one in told["observation"]])
    assert (seen >= lowest - 1e-6).all()
    assert "recorded observations" in bare(tmp_path / "out", "--check").stdout


def test_a_robot_s_frames_joints_and_workspace_are_told(tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    acts = ("dx", "dy", "dz", "dyaw", "grip")
    told = card(SEEN, acts, robot="gantry", task=TaskTold(name="lift"), control=0.05)
    run = write_run(tmp_path / "run", told, network(5, 5))
    deploy(run, tmp_path / "out", limits={"goal.z": (-0.5, 0.5)})
    told = json.loads((tmp_path / "out" / "deploy.json").read_text())
    assert told["robot"]["mode"] == "delta"
    assert told["robot"]["joints"][0]["range"] == pytest.approx([-0.1, 0.95])
    by_name = {one["name"]: one for one in told["observation"]}
    assert by_name["tool.z"]["limit"] == pytest.approx([-0.05, 0.6])
    assert by_name["goal.z"]["limit"] == [-0.5, 0.5]
    assert by_name["object.x"]["limit"] is None
    actions = {one["name"]: one for one in told["action"]}
    assert (actions["dx"]["unit"], actions["dx"]["one"], actions["dx"]["rest"]) == ("m/s", 0.3, 0)
    assert actions["grip"]["rest"] is None, "what it holds it does not drop"
    write_card(run / "policy.json", card(SEEN, acts, robot="gantry", mode="joint"))
    deploy(run, tmp_path / "joint")
    other = json.loads((tmp_path / "joint" / "deploy.json").read_text())
    assert (other["robot"]["mode"], other["action"][0]["one"]) == ("joint", 0.5)
    assert other["observation"][2]["limit"] is None, "nothing keeps the tool in its box there"
    text = (tmp_path / "out" / "README.md").read_text()
    assert "The base frame is the robot's: x ahead" in text
    assert "| `dx` | m/s | -0.3 | 0.3 | 0 |" in text


def test_a_zip_will_do(run, tmp_path):
    deploy(run, tmp_path / "out.zip")
    import zipfile

    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert sorted(archive.namelist()) == sorted(deploying.FILES)


def test_what_cannot_be_deployed_is_refused_and_nothing_is_written(run, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(PolicyError, match=r"policy\.json: cannot be read"):
        deploy(tmp_path, out)
    with pytest.raises(UsageError, match="no observation 'nose' to limit"):
        deploy(run, out, limits={"nose": (0.0, 1.0)})
    few = write_run(tmp_path / "few", card(SEEN, ACTIONS), network(5, 3))
    with pytest.raises(PolicyError, match="gives 3 actions, its card 8"):
        deploy(few, out)
    other = write_run(tmp_path / "other", card(SEEN, ACTIONS), network(6, 8))
    with pytest.raises(PolicyError, match="does not run"):
        deploy(other, out)
    (few / "policy.onnx").write_bytes(b"no graph")
    with pytest.raises(PolicyError, match="no ONNX graph that runs here"):
        deploy(few, out)
    lost = write_run(tmp_path / "lost", card(task=TaskTold(name="juggle")), network(52, 8))
    with pytest.raises(UsageError, match="the task juggle is not known here"):
        deploy(lost, out, pack=tmp_path)
    assert "the task juggle is not known" in deploy(lost, tmp_path / "blind").notes[0]
    assert not out.exists()
    out.mkdir()
    (out / "thesis.tex").write_text("")
    with pytest.raises(PackError, match="is no deployed policy"):
        deploy(run, out)


def test_the_command_line(run, tmp_path):
    arguments = ["deploy", str(run), "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*arguments, "--limit", "box_1.dz=-0.1:0.1", "--json"])
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert (told["observations"], told["actions"], told["rate"]) == (52, 8, 50.0)
    held = json.loads((tmp_path / "out" / "deploy.json").read_text())
    assert held["observation"][2]["limit"] == [-0.1, 0.1]
    done = CliRunner().invoke(app, [*arguments, "--max-change", "0.25", "--outside", "stop"])
    assert "50 times a second" in done.stdout
    held = json.loads((tmp_path / "out" / "deploy.json").read_text())
    assert held["safety"]["outside"] == "stop"
    assert {a["max_change"] for a in held["action"]} == {0.25}


@pytest.mark.parametrize(
    "option",
    [
        ["--limit", "box_1.dz"],
        ["--limit", "box_1.dz=1:0"],
        ["--limit", "box_1.dz=nan:1"],
        ["--outside", "shrug"],
        ["--stale", "hold"],
        ["--max-change", "0"],
        ["--stale-after", "inf"],
        ["--episodes", "0"],
    ],
)
def test_options_that_make_no_sense_are_refused(run, tmp_path, option):
    done = CliRunner().invoke(app, ["deploy", str(run), "-o", str(tmp_path / "out"), *option])
    assert isinstance(done.exception, UsageError)
    assert "\n" not in str(done.exception)
    assert not (tmp_path / "out").exists()


# The guard, on a policy of two numbers that gives them back.

CONTRACT = runner.Contract(
    observations=("a", "b"), actions=("x", "y"),
    low=np.array([-1.0, -1.0]), high=np.array([1.0, 1.0]),
    floor=np.array([-5.0, -math.inf]), ceiling=np.array([5.0, math.inf]),
    least=np.array([-1.0, -1.0]), most=np.array([1.0, 1.0]),
    change=np.array([0.5, 0.5]), rest=np.zeros(2), period=0.01,
    outside="flag", bad="rest", stale="rest", stale_after=0.05,
    model="", sha256="", sample="", tolerance=1e-4,
)  # fmt: skip


class Watched(runner.Guard):
    """A guard that notes what it says."""

    def __init__(self, policy=lambda seen: seen, **changes):
        self.said = []
        told = runner.checked(replace(CONTRACT, **changes))
        super().__init__(told, policy, 0.0, self.said.append)


NUMBERS = st.floats(-10, 10) | st.sampled_from([math.nan, math.inf])
ANYTHING = st.none() | st.lists(NUMBERS, min_size=1, max_size=3)


@given(st.lists(ANYTHING, max_size=40), st.sampled_from(runner.WAYS["outside"]),
       st.sampled_from(runner.WAYS["bad"]))  # fmt: skip
def test_whatever_comes_actions_are_bounded_and_change_slowly(seen, outside, bad):
    guard, last = Watched(outside=outside, bad=bad), np.zeros(2)
    for k, one in enumerate(seen):
        action = guard.step(one, 0.01 * k)
        if action is None:
            assert not guard.begun
            continue
        assert np.isfinite(action).all()
        assert (np.abs(action) <= 1).all()
        assert (np.abs(action - last) <= 0.5 + 1e-12).all()
        last = action


def test_nothing_is_done_before_the_policy_has_acted():
    guard = Watched()
    assert guard.step(None, 0.01) is None
    assert guard.step([math.nan, 0], 0.02) is None
    np.testing.assert_allclose(guard.step([0.2, 0.9], 0.03), [0.2, 0.5])
    np.testing.assert_allclose(guard.step([0.2, 0.9], 0.04), [0.2, 0.9])


def test_observations_are_taken_by_name():
    guard = Watched()
    np.testing.assert_allclose(guard.step({"b": 0.3, "a": 0.1}, 0.0), [0.1, 0.3])
    guard.step({"a": 0.1}, 0.01)
    assert guard.said == ["rest: an observation without 'b'"]
    guard = Watched()
    guard.step({"a": 0.1, "b": 0.1, "c": 0}, 0.01)
    assert guard.said == ["rest: an observation with 'c'"]


@pytest.mark.parametrize("bad", [[0.1], [[0.1, 0.2]], [math.nan, 0], [0, math.inf], "ab", ["q", 1]])
def test_what_is_no_observation_is_never_asked_of_the_policy(bad):
    asked = []
    guard = Watched(lambda seen: asked.append(seen) or seen)
    guard.step([0.4, 0.4], 0.0)
    np.testing.assert_allclose(guard.step(bad, 0.01), [0, 0])
    assert len(asked) == 1
    assert guard.counts["bad"] == 1
    np.testing.assert_allclose(guard.step([0.4, 0.4], 0.02), [0.4, 0.4])
    assert guard.stopped is None


@pytest.mark.parametrize(
    ("outside", "action"), [("flag", [1, 0.2]), ("hold", [0.5, 0.2]), ("rest", [0, 0])]
)
def test_what_lies_outside_of_training_is_told(outside, action):
    guard = Watched(outside=outside)
    guard.step([0.5, 0.2], 0.0)
    np.testing.assert_allclose(guard.step([1.5, 0.2], 0.01), action)
    assert guard.counts["outside: a"] == 1
    assert "a is 1.5: outside of what was seen in training" in guard.said[0]
    assert guard.stopped is None


def test_outside_may_stop_it():
    guard = Watched(outside="stop")
    guard.step([0.8, 0.2], 0.0)
    guard.step([1.5, 0.2], 0.01)
    assert guard.stopped
    np.testing.assert_allclose(guard.step([0.1, 0.1], 0.02), [0, 0])
    assert guard.resting


def test_past_a_limit_it_ends_whatever_else_is_set():
    guard = Watched(outside="flag")
    guard.step([0.5, 0.5], 0.0)
    guard.step([6.0, 0.5], 0.01)
    assert guard.stopped == "a is 6: past its limit"


def test_what_is_held_is_not_held_for_ever():
    """An action may be a speed."""
    guard = Watched(bad="hold")
    guard.step([0.5, 0.5], 0.0)
    np.testing.assert_allclose(guard.step(None, 0.04), [0.5, 0.5])
    np.testing.assert_allclose(guard.step([math.nan, 0], 0.05), [0.5, 0.5])
    np.testing.assert_allclose(guard.step([math.nan, 0], 0.06), [0, 0])


def test_without_news_it_goes_to_rest_and_on_when_there_are_some():
    guard = Watched(rest=np.array([0.0, math.nan]))
    guard.step([0.4, 0.4], 0.0)
    np.testing.assert_allclose(guard.step(None, 0.06), [0, 0.4])
    assert guard.said == ["rest: nothing new was observed for 0.06 s"]
    assert guard.resting, "the second stays as it was told"
    np.testing.assert_allclose(guard.step([0.3, 0.2], 0.07), [0.3, 0.2])
    guard = Watched(stale="stop")
    guard.step(None, 0.06)
    assert guard.stopped


@pytest.mark.parametrize("answer", [[math.nan, 0], [0.1], [[0.1, 0.1]]])
def test_a_policy_that_gives_no_action_ends_it(answer):
    answers = [np.array([0.4, 0.4]), np.array(answer)]
    guard = Watched(lambda seen: answers.pop(0))
    guard.step([0, 0], 0.0)
    np.testing.assert_allclose(guard.step([0, 0], 0.01), [0, 0])
    assert guard.stopped == "the policy's answer is no action"


def test_the_same_trouble_is_told_once_a_second():
    guard = Watched()
    for k in range(300):
        guard.step([1.5, 0], 0.01 * k)
    assert len(guard.said) == 3
    assert guard.counts["outside: a"] == 300


class Robot:
    """Gives (0.9, 0.9); `trouble` comes at the observation `at`."""

    def __init__(self, trouble=lambda: None, at=5):
        self.seen, self.acted, self.trouble, self.at = 0, [], trouble, at
        self.closed = self.halted = False

    def observe(self):
        self.seen += 1
        if self.seen == self.at:
            self.trouble()
        return np.array([0.9, 0.9])

    def act(self, action):
        self.acted.append((time.monotonic(), action))

    def stop(self):
        self.halted = True

    def close(self):
        self.closed = True


def played(robot, seconds=0.2, **changes):
    told = replace(CONTRACT, **changes)
    guard = runner.Guard(told, lambda seen: seen, time.monotonic())
    return runner.run(robot, guard, told, seconds), guard


def test_it_keeps_its_rate_and_leaves_the_robot_at_rest():
    robot = Robot()
    met, _ = played(robot)
    assert 10 <= robot.seen <= 21
    assert met["seconds"] == pytest.approx(0.2, abs=0.1)
    np.testing.assert_array_equal(robot.acted[-1][1], [0, 0])
    np.testing.assert_allclose(robot.acted[-2][1], [0.4, 0.4], err_msg="not at once")
    assert robot.closed


def test_periods_that_take_too_long_are_told_and_not_made_up_for():
    robot = Robot()
    robot.act = lambda action: time.sleep(0.025)
    met, _ = played(robot, stale_after=1.0)
    assert met["late"] >= 4
    assert met["latest"] >= 0.01
    assert robot.seen <= 9


def test_while_observe_hangs_the_watchdog_brings_the_robot_to_rest():
    hung = threading.Event()
    robot = Robot(lambda: (time.sleep(0.4), hung.set()))
    during = []
    act = robot.act

    def noted(action):
        if robot.seen == robot.at and not hung.is_set():
            during.append(action)
        act(action)

    robot.act = noted
    met, guard = played(robot, seconds=0.7)
    assert met["watchdog"] >= 2
    np.testing.assert_array_equal(during[-1], [0, 0])
    assert guard.stopped == runner.END, "and it went on when there was news"
    assert robot.seen > robot.at


def test_a_robot_that_hangs_in_act_is_told_to_stop(monkeypatch):
    monkeypatch.setattr(runner, "FAST", 2)
    robot = Robot()
    calls = iter([0, 0, 0.5])
    robot.act = lambda action: time.sleep(next(calls, 0))
    _, guard = played(robot, seconds=1.0, stale_after=0.03)
    assert robot.halted
    assert guard.stopped == "the robot's act hangs"


def test_an_interrupt_leaves_the_robot_at_rest():
    def interrupt():
        raise KeyboardInterrupt

    robot = Robot(interrupt)
    with pytest.raises(KeyboardInterrupt):
        played(robot)
    np.testing.assert_array_equal(robot.acted[-1][1], [0, 0])
    assert robot.closed


MINE = """
import numpy as np

class Mine:
    def __init__(self):
        self.k = 0

    def observe(self):
        self.k += 1
        return {name: LEVEL for name in NAMES}

    def act(self, action):
        assert np.abs(action).max() <= 1
"""


@pytest.mark.parametrize(("level", "code"), [(0.1, 0), (50.0, 1)])
def test_a_robot_of_one_s_own_is_run(folder, tmp_path, level, code):
    (tmp_path / "mine.py").write_text(f"LEVEL, NAMES = {level}, {NAMES!r}\n{MINE}")
    robot = f"{tmp_path}/mine.py:Mine"
    done = bare(folder, "--robot", robot, "--seconds", 0.2, "--outside", "stop", code=code)
    met = json.loads(done.stdout)
    assert (met["stopped"] is None) == (code == 0)
    if code:
        assert "outside of what was seen in training" in done.stderr
    assert "give FILE.py:CLASS" in bare(folder, "--robot", "mine", code=1).stderr
