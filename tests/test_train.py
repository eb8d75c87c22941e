"""Training: the seed alone decides, an interrupted one goes on, what comes out is the policy."""

import csv
import json
import math
import os
import signal
import threading
import time

import numpy as np
import pytest
from cousins.cli import main as cli
from packs import family, manifest, quality, write_pack
from typer.testing import CliRunner

from cousins.env import make_vec
from cousins.env.worlds import Worlds, pool
from cousins.errors import CousinsError, PolicyError, UsageError
from cousins.pack import read, write
from cousins.pipeline import augment
from cousins.policies import policy
from cousins.policies.card import read_card
from cousins.tasks.hold import Hold
from cousins.variation.axes import Settings
from examples import table_scene

pytest.importorskip("stable_baselines3", reason='pip install "cousins[rl]"')
pytest.importorskip("onnx", reason='pip install "cousins[rl]"')
pytest.importorskip("onnxruntime", reason='pip install "cousins[rl]"')
torch = pytest.importorskip("torch", reason='pip install "cousins[rl]"')

from cousins.train import Curriculum, train  # noqa: E402
from cousins.train import course as courses  # noqa: E402
from cousins.train.course import Course  # noqa: E402
from cousins.train.rsl_rl import RslRl  # noqa: E402
from cousins.train.sb3 import Sb3  # noqa: E402
from cousins.train.trainer import Plan, discount, horizon  # noqa: E402

SHORT = Hold(pushes=2, limit=0.4)  # 20 steps
SMALL = Sb3(hidden=(16, 16), batch=128, minibatch=32, epochs=2)


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """Ten cousins in two families."""
    path = tmp_path_factory.mktemp("train") / "p"
    scene = table_scene()
    write(path, scene, manifest(), quality(), [family(scene), family(scene, n=4, first=6)])
    return read(path)


def trained(pack, out, **how):
    return train(pack, SHORT, out=out, **{"trainer": SMALL, "worlds": 4, "steps": 256,
                                          "video": False, **how})  # fmt: skip


def weights(out):
    """What policy.onnx does with some observations."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(out / "policy.onnx"))
    seen = np.random.default_rng(0).normal(size=(5, 52)).astype(np.float32)
    return session.run(["action"], {"observation": seen})[0]


def rows(out):
    with open(out / "progress.csv") as file:
        return list(csv.DictReader(file))


def last(out):
    return torch.load(max((out / "checkpoints").glob("*.pt")), weights_only=True)


@pytest.fixture(scope="module")
def once(pack, tmp_path_factory):
    """A training, what it told on the way, and its folder."""
    out, moments = tmp_path_factory.mktemp("once") / "run", []
    done = trained(pack, out, watch=moments.append, seed=3)
    return done, moments, out


def test_a_training_leaves_a_policy_with_a_card_and_logs(once):
    done, moments, out = once
    assert done.steps == 256
    assert {path.name for path in out.iterdir()} == {
        "policy.onnx", "policy.json", "training.json", "progress.csv", "checkpoints", "tensorboard",
    }  # fmt: skip
    card = read_card(out / "policy.json")
    assert (card.task.name, card.task.settings["pushes"], card.control) == ("hold", 2, 0.02)
    assert (len(card.observation), len(card.action)) == (52, 8)
    assert card.trained_on.numbers == ((0, 9),)
    assert (card.steps, card.seed, card.trainer, card.engine) == (256, 3, "sb3", "cpu")
    assert [int(row["steps"]) for row in rows(out)] == [128, 256]
    assert [m.steps for m in moments] == [128, 256]
    assert moments[0].left > 0 == moments[1].left
    assert done.episodes > 5
    assert 0 <= done.success <= 1
    assert sum(done.spent.values()) < done.seconds


def test_a_training_on_the_twin_says_so(pack, tmp_path):
    trained(pack, tmp_path / "run", cousins="twin", steps=128)
    told = read_card(tmp_path / "run" / "policy.json").trained_on
    assert (told.numbers, told.count, told.distance) == (((-1, -1),), 1, (0.0, 0.0))


def test_the_policy_runs_in_the_pack_that_it_was_trained_in(once, pack):
    env = make_vec(pack, SHORT, 3, seed=0)
    env.reset()
    chosen = policy(str(once[2]))
    chosen.begin(env.episodes, np.arange(3))
    actions = chosen(env.episodes)
    assert actions.shape == (3, 8)
    with pytest.raises(UsageError, match=r"every 0\.02 s.*every 0\.04 s"):
        chosen.begin(make_vec(pack, Hold(control=0.04), 1).episodes, np.arange(1))


def test_same_seed_same_policy_and_another_seed_another(pack, once, tmp_path):
    trained(pack, tmp_path / "same", seed=3)
    trained(pack, tmp_path / "other", seed=4)
    names = ("policy.onnx", "policy.json")
    for name in names:
        assert (once[2] / name).read_bytes() == (tmp_path / "same" / name).read_bytes()
    assert np.abs(weights(once[2]) - weights(tmp_path / "other")).max() > 1e-3


def test_the_graph_is_what_sb3_predicts(pack, tmp_path):
    course = Course(pack, SHORT, 4, seed=0)
    learner = SMALL(course, Plan(0.99, 0, 0, None))
    learner.iterate(1.0, lambda: False)
    seen = np.random.default_rng(1).normal(size=(64, 52)).astype(np.float32)
    expected, _ = learner.model.predict(learner.normal.normalize_obs(seen), deterministic=True)
    np.testing.assert_allclose(learner.network()(seen), expected, atol=1e-5)
    assert np.abs(expected).max() > 1e-3


def test_an_interrupted_training_goes_on_to_as_many_steps(pack, tmp_path):
    out = tmp_path / "run"

    def stop(moment):
        if moment.steps == 256:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        trained(pack, out, steps=512, watch=stop)
    assert last(out)["steps"] == 256
    assert read_card(out / "policy.json").steps == 256
    with open(out / "progress.csv", "a") as file:  # what a killed run told after its checkpoint
        file.write("384,1,,,,,,\n")
    seen = []
    done = trained(pack, out, steps=512, resume=True, watch=lambda m: seen.append(m.steps))
    assert seen == [384, 512]
    assert done.steps == 512
    assert [int(row["steps"]) for row in rows(out)] == [128, 256, 384, 512]
    assert read_card(out / "policy.json").steps == 512
    assert len(list((out / "checkpoints").glob("*"))) == 2
    again = trained(pack, out, steps=512, resume=True)  # nothing is left to do
    assert again.steps == 512


def test_what_goes_on_is_what_was_learnt(pack, tmp_path):
    courses = [Course(pack, SHORT, 4, seed=0) for _ in range(2)]
    one, other = (SMALL(course, Plan(0.99, seed, 0, None)) for seed, course in enumerate(courses))
    one.iterate(1.0, lambda: False)
    other.restore(torch_again(one.state(), tmp_path))
    seen = np.random.default_rng(1).normal(size=(9, 52))
    np.testing.assert_array_equal(one.network()(seen), other.network()(seen))
    assert one.model._n_updates == other.model._n_updates
    ours, theirs = (m.model.policy.optimizer.state_dict()["state"] for m in (one, other))
    assert torch.equal(ours[0]["exp_avg"], theirs[0]["exp_avg"])


def torch_again(state, folder):
    torch.save(state, folder / "state.pt")
    return torch.load(folder / "state.pt", weights_only=True)


def test_one_goes_on_only_with_the_same(pack, tmp_path, once):
    out = tmp_path / "run"
    trained(pack, out, steps=128)
    for changed, what in (
        ({"seed": 1}, "with seed 0, not 1"),
        ({"worlds": 5}, "with worlds 4, not 5"),
        ({"cousins": [1, 2]}, "with cousins"),
        ({"trainer": Sb3(hidden=(8,), batch=128)}, "with trainer_settings"),
    ):
        with pytest.raises(UsageError, match=what):
            trained(pack, out, resume=True, **changed)
    with pytest.raises(UsageError, match="holds a training: --resume"):
        trained(pack, out)
    with pytest.raises(UsageError, match="no training to go on with"):
        trained(pack, tmp_path / "none", resume=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    with pytest.raises(UsageError, match="exists: choose another"):
        trained(pack, tmp_path / "full")
    next((out / "checkpoints").glob("*")).write_bytes(b"broken")
    with pytest.raises(PolicyError, match=r"cannot be read .*: remove it"):
        trained(pack, out, resume=True)


def test_minutes_end_it_too(pack, tmp_path):
    began = time.monotonic()
    done = trained(pack, tmp_path / "run", steps=None, minutes=0.5 / 60)
    assert done.steps >= 128
    assert time.monotonic() - began < 30
    assert json.loads((tmp_path / "run" / "training.json").read_text())["steps"] is None


def test_a_curriculum_begins_with_the_nearest_and_ends_with_all(pack, monkeypatch):
    monkeypatch.setattr(courses, "WINDOW", 8)
    easy = Curriculum(first=0.3, threshold=0.0)
    course = Course(pack, SHORT, 4, seed=0, curriculum=easy)
    course.reset()
    held = course.episodes.worlds.pool.distance

    def drawn():
        each = [course.episodes.worlds.choices(world) for world in range(4)]
        return sorted(float(held[place]) for place in set(np.concatenate(each).tolist()))

    assert drawn() == pytest.approx([0.0, 0.1, 0.2, 0.6])  # the last: the nearest of its family
    assert course.tally().distance == pytest.approx(0.2)
    for _ in range(3 * 20):
        course.step(np.zeros((4, 8)))
    assert course.tally().episodes >= 8
    course.advance()
    assert len(drawn()) == 6
    again = Course(pack, SHORT, 4, seed=0, curriculum=easy)
    again.restore(json.loads(json.dumps(course.state())))
    assert again.tally() == course.tally()
    course.advance()  # not before as many episodes have ended there
    assert len(drawn()) == 6
    for _ in range(9):
        course._level = 10**6
        course.advance()
    assert len(drawn()) == 10


def test_worlds_may_be_kept_to_some_cousins(pack):
    worlds = Worlds(pack, pool(pack), make_vec(pack, SHORT, 1).request.engine, 3)
    before = [worlds.choices(world).tolist() for world in range(3)]
    worlds.only(np.arange(10) == 7)
    assert [worlds.choices(world).tolist() for world in range(3)] == [[0], [0], [7]]
    worlds.only(np.ones(10, bool))
    assert [worlds.choices(world).tolist() for world in range(3)] == before


def test_the_first_episodes_end_apart_and_are_not_counted(pack):
    course = Course(pack, SHORT, 6, seed=1)
    course.reset()
    assert len(set(course.episodes.elapsed.tolist())) > 2
    for _ in range(19):
        course.step(np.zeros((6, 8)))
    assert course.tally().episodes < 6
    assert math.isnan(Course(pack, SHORT, 2, seed=1).tally().success)


@pytest.mark.parametrize(("worlds", "most"), [(64, None), (4, None), (1000, None), (64, 100)])
def test_an_iteration_is_about_a_batch(worlds, most):
    steps = horizon(8192, worlds, most)
    assert 1 <= steps <= 512
    assert most is None or (steps - 1) * worlds < most


def test_the_discount_looks_as_far_ahead_at_any_period():
    assert discount(0.02, 4.0) == pytest.approx(0.990, abs=1e-3)
    assert discount(0.02, 4.0) ** 5 == pytest.approx(discount(0.1, 4.0))


def test_sb3_takes_the_worlds_as_they_are(pack):
    from stable_baselines3 import PPO

    from cousins.env.sb3 import Sb3Env

    with pytest.raises(UsageError, match="SameStep"):
        Sb3Env(make_vec(pack, SHORT, 2))
    env = Sb3Env(make_vec(pack, SHORT, 3, autoreset_mode="SameStep", seed=1))
    env.seed(5)
    first = env.reset()
    np.testing.assert_array_equal(first, make_vec(pack, SHORT, 3).reset(seed=5)[0])
    total, ends = np.zeros(3), []
    for _ in range(20):
        seen, reward, done, infos = env.step(np.zeros((3, 8)))
        total += reward
        for i in np.flatnonzero(done).tolist():
            told = infos[i]
            ends.append((told["TimeLimit.truncated"], told["episode"]["l"]))
            assert told["episode"]["r"] == pytest.approx(total[i], rel=1e-6)
            assert told["is_success"] in (True, False)
            assert np.abs(told["terminal_observation"] - seen[i]).max() > 0
        total[done] = 0
    assert (True, 20) in ends
    assert all(truncated == (length == 20) for truncated, length in ends)
    assert env.get_attr("num_envs") == [3, 3, 3]
    assert env.env_is_wrapped(object) == [False] * 3
    PPO("MlpPolicy", env, n_steps=8, batch_size=24, device="cpu").learn(24)


def test_rsl_rl_leaves_the_same_kind_of_policy(pack, tmp_path):
    pytest.importorskip("rsl_rl", reason='pip install "cousins[rsl-rl]"')
    pytest.importorskip("tensordict", reason='pip install "cousins[rsl-rl]"')
    small = RslRl(hidden=(16,), horizon=16)
    out = tmp_path / "run"
    trained(pack, out, trainer=small, steps=128)
    trained(pack, tmp_path / "same", trainer=small, steps=128)
    card = read_card(out / "policy.json")
    assert (card.trainer, card.steps) == ("rsl-rl", 128)
    np.testing.assert_array_equal(weights(out), weights(tmp_path / "same"))
    done = trained(pack, out, trainer=small, steps=192, resume=True)
    assert done.steps == 192
    course = Course(pack, SHORT, 4, seed=0)
    learner = small(course, Plan(0.99, 0, 0, None))
    learner.iterate(1.0, lambda: False)
    seen = learner.env.get_observations()
    with torch.inference_mode():
        expected = learner.algorithm.get_policy()(seen).clamp(-1, 1).numpy()
    np.testing.assert_allclose(learner.network()(seen["policy"].numpy()), expected, atol=1e-5)
    assert learner.iterate(1.0, lambda: True) is None


def test_a_policy_that_moves_a_robot_says_which_and_how(tmp_path):
    twin = write_pack(tmp_path / "twin", families=False)
    augment(twin, 3, settings=Settings(shapes=2, swaps=0.0, distractors=0))
    out = tmp_path / "run"
    train(twin, "reach", out=out, trainer=SMALL, worlds=2, steps=64, limit=0.5, video=False)
    card = read_card(out / "policy.json")
    assert (card.task.name, card.task.settings["limit"]) == ("reach", 0.5)
    assert (card.robot, card.mode) == ("gantry", "delta")
    assert len(set(card.action)) == len(card.action) > 2
    assert "tool.x" in card.observation
    env = make_vec(twin, "reach", 2, robot="gantry")
    env.reset(seed=0)
    chosen = policy(str(out))
    chosen.begin(env.episodes, np.arange(2))
    assert chosen(env.episodes).shape == (2, len(card.action))
    other = make_vec(twin, "reach", 1, robot="gantry", control="pose")
    with pytest.raises(UsageError, match=r"move the robot by delta, .* by pose: --control delta"):
        chosen.begin(other.episodes, np.arange(1))


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ({"worlds": 0}, "0 worlds"),
        ({"steps": 0}, "1 step or more"),
        ({"minutes": -1.0, "steps": None}, "minutes above 0"),
        ({"seed": -1}, "seed -1"),
        ({"trainer": "sac"}, "no trainer 'sac'; trainers: sb3, rsl-rl"),
        ({"trainer": Sb3(activation="sin")}, "no activation 'sin'"),
        ({"trainer": Sb3(hidden=(0,))}, "1 or more"),
        ({"observe": ("rgb",)}, "state alone"),
        ({"trainer": "sb3", "pushes": 3, "nonsense": 1}, "no setting"),
        ({"cousins": (5.0, 6.0)}, "no cousin at a distance"),
    ],
)
def test_what_cannot_be_trained_leaves_nothing(pack, tmp_path, how, what):
    with pytest.raises(CousinsError, match=what) as error:
        trained(pack, tmp_path / "run", **how)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


# The command.


def run(*arguments):
    return CliRunner().invoke(cli.app, ["train", *map(str, arguments)])


FEW = ("--worlds", 4, "--steps", 128, "--set", "limit=0.4", "--set", "batch=128", "--set",
       "hidden=[8]", "--set", "threads=1", "--no-video")  # fmt: skip


def test_the_command_trains_and_tells(pack, tmp_path):
    done = run(pack.path, *FEW, "-o", tmp_path / "run", "--cousins", "0:0.35", "--json",
               "--curriculum")  # fmt: skip
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["steps"], told["folder"]) == (128, str(tmp_path / "run"))
    assert read_card(tmp_path / "run" / "policy.json").trained_on.numbers == ((0, 3),)
    told = json.loads((tmp_path / "run" / "training.json").read_text())
    assert told["task_settings"]["limit"] == 0.4
    assert told["curriculum"] == {"first": pytest.approx(1 / 3), "threshold": 0.7}
    assert told["trainer_settings"]["hidden"] == [8]


def test_the_command_tells_people(pack, tmp_path):
    done = run(pack.path, *FEW, "-o", tmp_path / "run", "--set", "control=0.04")
    assert done.exit_code == 0, done.output
    assert "128 steps in" in done.stdout
    assert "steps/s" in done.stderr
    assert read_card(tmp_path / "run" / "policy.json").control == 0.04
    again = run(pack.path, *FEW, "-o", tmp_path / "run")
    assert isinstance(again.exception, UsageError)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["nowhere"], "no such folder"),
        (["PACK", "--task", "fly"], "no task 'fly'; tasks: hold"),
        (["PACK", "--cousins", "near"], "--cousins 'near'"),
        (["PACK", "--set", "pushes"], "NAME=VALUE"),
        (["PACK", "--set", "seed=1"], "option of its own"),
        (["PACK", "--engine", "fast"], "no engine 'fast'"),
    ],
)
def test_bad_requests_are_one_line(pack, tmp_path, arguments, what):
    given = [str(pack.path) if a == "PACK" else a for a in arguments]
    done = run(*given, "-o", tmp_path / "run", "--no-video")
    assert isinstance(done.exception, CousinsError)
    assert what in str(done.exception)
    assert "\n" not in str(done.exception)
    assert not (tmp_path / "run").exists()


def test_ctrl_c_saves_and_exits_130(pack, tmp_path):
    out = tmp_path / "run"
    few = [str(10**7) if a == 128 else a for a in FEW]

    def press():
        until = time.monotonic() + 60
        while not (out / "progress.csv").exists() and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    finger = threading.Thread(target=press)
    finger.start()
    done = run(pack.path, *few, "-o", out)
    finger.join()
    assert isinstance(done.exception, CousinsError)
    assert done.exception.exit_code == 130
    assert "--resume goes on from here" in str(done.exception)
    assert last(out)["steps"] >= 128


@pytest.mark.slow
def test_it_learns_to_hold(pack, tmp_path):
    """Against pushes it keeps things where they stand better than a policy that does nothing."""
    moments = []
    task = Hold(pushes=2, limit=1.0)
    train(pack, task, out=tmp_path / "run", steps=60_000, worlds=32, video=False, seed=1,
          batch=2048, threads=1, watch=moments.append)  # fmt: skip
    assert moments[-1].tally.mean_return > 1.15 * moments[1].tally.mean_return
