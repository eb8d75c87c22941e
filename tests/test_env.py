"""Packs as environments: what gymnasium asks of them, and that the seed alone decides."""

import subprocess
import sys
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from hypothesis import given, settings
from hypothesis import strategies as st
from packs import family, manifest, quality

from cousins.engines.cpu import Cpu
from cousins.env import make, make_vec
from cousins.env.worlds import Worlds, pool, shares
from cousins.errors import CousinsError, MissingDependencyError, UsageError
from cousins.gl import backend
from cousins.pack import read, write
from cousins.tasks import Command
from cousins.tasks.hold import Hold
from examples import table_scene

SHORT = Hold(pushes=2, limit=0.6)  # 30 steps
NEXT, SAME, NEVER = AutoresetMode
FIRST, SECOND = range(6), range(6, 10)  # the cousins of the two families


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """Ten cousins in two families."""
    path = tmp_path_factory.mktemp("env") / "p"
    scene = table_scene()
    write(path, scene, manifest(), quality(), [family(scene), family(scene, n=4, first=6)])
    return read(path)


@pytest.fixture(scope="module")
def opengl():
    try:
        return backend()
    except MissingDependencyError as error:
        pytest.skip(str(error))


@cache
def actions(steps, n, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (steps, n, 8)).astype(np.float32)


def played(env, steps, seed=None, restart=True):
    """All that an environment tells in so many steps."""
    told = [env.reset(seed=seed)] if restart else []
    told += [env.step(action) for action in actions(steps, env.num_envs)]
    env.close()
    return told


def same(one, other):
    assert len(one) == len(other)
    for at, (a, b) in enumerate(zip(one, other, strict=True)):
        assert data_equivalence(a, b, exact=True), at


def singles(pack, many, mode, **how):
    """As many environments of one world: each of the cousins of the family that the world has."""
    each = [partial(make, pack, SHORT, list(cousins), threads=1, **how) for cousins in many]
    return SyncVectorEnv(each, autoreset_mode=mode)


def explode(env, world):
    """Give a world a speed at which no time step holds."""
    part = next(p for p in env.episodes.worlds.parts if p.holds(np.array([world]))[0])
    state = part.running.state([world - part.first])
    part.running.restore(replace(state, qvel=state.qvel + 1e30), [world - part.first])


def test_one_world_is_what_gymnasium_expects(pack, recwarn, opengl):
    env = gymnasium.make("cousins/Hold-v0", pack=pack.path, cousin=2, render_mode="rgb_array")
    check_env(env.unwrapped)
    assert env.reset(seed=0)[1] == pytest.approx(
        {"cousin": 2, "distance": 0.2, "success": False, "unstable": False}
    )
    picture = env.render()
    assert picture.shape == (360, 480, 3)
    assert picture.std() > 10
    env.close()
    assert not [w for w in recwarn if "gymnasium" in str(w.filename)], recwarn[-1].message


def test_gymnasium_makes_them_by_name_alone(pack):
    code = (
        "import sys, gymnasium\n"
        "envs = gymnasium.make_vec('cousins.env:cousins/Hold-v0', num_envs=2, pack=sys.argv[1])\n"
        "print(envs.reset(seed=1)[0].shape, envs.spec.id)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(pack.path)], capture_output=True,
                          text=True, check=True)  # fmt: skip
    assert done.stdout.split("\n")[0] == "(2, 52) cousins/Hold-v0"


@pytest.mark.parametrize("mode", [NEXT, SAME])
def test_many_worlds_do_to_the_bit_what_as_many_single_ones_do(pack, mode):
    env = make_vec(pack, SHORT, 5, autoreset_mode=mode, threads=2)
    theirs = [FIRST] * 3 + [SECOND] * 2
    many = played(env, 70, seed=11)
    same(many, played(singles(pack, theirs, mode), 70, seed=11))
    assert sum(int((step[2] | step[3]).sum()) for step in many[1:]) > 8
    taken = np.array([info["cousin"] for *_, info in many])
    for world, cousins in enumerate(theirs):
        assert set(taken[:, world]) <= set(cousins)
    assert len(set(taken[:, 0])) > 1


def test_observations_and_actions_are_of_their_spaces(pack):
    env = make_vec(pack, SHORT, 3, seed=5)
    env.action_space.seed(0)
    seen, _ = env.reset()
    assert env.single_observation_space.dtype == np.float32
    assert np.isfinite(env.single_observation_space.high).all()
    assert env.action_space.shape == (3, 8)
    kept = seen.copy()
    for _ in range(5):
        assert seen in env.observation_space
        seen, reward, *_ = env.step(env.action_space.sample())
        assert reward.dtype == np.float64
    np.testing.assert_array_equal(kept, env.reset(seed=5)[0])


def test_wrappers_of_gymnasium_take_them(pack):
    env = RecordEpisodeStatistics(make_vec(pack, SHORT, 3, autoreset_mode=SAME))
    lengths = [step[4]["episode"]["l"].max() for step in played(env, 40, seed=0)[1:]
               if "episode" in step[4]]  # fmt: skip
    assert max(lengths) <= 30
    assert lengths


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**32), threads=st.integers(1, 3))
def test_the_seed_alone_decides(pack, seed, threads):
    one, other = (make_vec(pack, SHORT, 4, threads=t) for t in (1, threads))
    same(played(one, 25, seed=seed), played(other, 25, seed=[seed + i for i in range(4)]))


def test_a_seed_given_at_the_start_is_that_of_the_first_reset(pack):
    same(played(make_vec(pack, SHORT, 2, seed=7), 3), played(make_vec(pack, SHORT, 2), 3, seed=7))
    assert make_vec(pack, SHORT, 2, seed=7).np_random_seed == (7, 8)


def test_a_reset_in_the_same_step_or_in_the_next_gives_the_same_transitions(pack):
    n, steps = 3, 75
    sooner = make_vec(pack, SHORT, n, autoreset_mode=SAME)
    later = make_vec(pack, SHORT, n, autoreset_mode=NEXT)
    paths = []
    for env, mode in ((sooner, SAME), (later, NEXT)):
        # What is done depends on the episode and the step in it, which modes count alike.
        seen, info = env.reset(seed=2)
        path = [[(seen[i], 0.0, info["cousin"][i])] for i in range(n)]
        count, over = np.zeros(n, int), np.zeros(n, bool)
        for _ in range(steps):
            step = env.step(actions(100, n)[count, np.arange(n)])
            seen, reward, terminated, truncated, info = step
            done = terminated | truncated
            for i in range(n):
                if over[i]:  # this step only began an episode
                    path[i].append((seen[i], 0.0, info["cousin"][i]))
                    count[i] = 0
                    continue
                count[i] += 1
                if done[i] and mode is SAME:
                    final = info["final_info"]["cousin"][i]
                    path[i] += [(info["final_obs"][i], reward[i], final),
                                (seen[i], 0.0, info["cousin"][i])]  # fmt: skip
                    count[i] = 0
                else:
                    path[i].append((seen[i], reward[i], info["cousin"][i]))
            over = done & (mode is NEXT)
        paths.append(path)
    for one, other in zip(*paths, strict=True):
        least = min(len(one), len(other))
        assert least > steps - 1
        same(one[:least], other[:least])


def test_an_episode_is_cut_off_at_its_limit_or_ends_when_something_falls(pack):
    env = make_vec(pack, Hold(pushes=0, limit=0.3), 2, seed=0)
    env.reset()
    still = np.zeros((2, 8), np.float32)
    told = [env.step(still) for _ in range(15)]
    assert [bool(step[3].any()) for step in told] == [False] * 14 + [True]
    assert told[-1][3].all()
    assert told[-1][4]["success"].all()
    assert not any(step[2].any() for step in told)
    env.reset()
    for _ in range(14):
        env.step(still)
        env.episodes.worlds.parts[1].running.drive()
    part = env.episodes.worlds.parts[0]
    fallen = part.running.state([0])
    fallen.qpos[0, 2] -= 0.2
    part.running.restore(fallen, [0])
    _, _, terminated, truncated, _ = env.step(still)
    assert terminated.tolist() == [True, False]
    assert truncated.tolist() == [False, True]


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_a_world_that_explodes_is_named_and_begins_anew_and_no_other_is_changed(pack, mode):
    calm, spoilt = (make_vec(pack, SHORT, 5, autoreset_mode=mode) for _ in range(2))
    ways = []
    for env in (calm, spoilt):
        told = [env.reset(seed=4)]
        for t, action in enumerate(actions(12, 5, seed=1) * 0.1):
            if env is spoilt and t == 6:
                explode(env, 1)
            told.append(env.step(action))
            over = told[-1][2] | told[-1][3]
            if mode is NEVER and over.any():
                told[-1] = (env.reset(options={"reset_mask": over})[0], *told[-1][1:])
        ways.append(told)
    seen, reward, terminated, _, info = ways[1][7]
    told = info["final_info"] if mode is SAME else info
    assert np.flatnonzero(told["unstable"]).tolist() == [1]
    assert terminated[1]
    assert reward[1] == 0
    last = info["final_obs"][1] if mode is SAME else seen[1]
    if mode is not NEVER:
        np.testing.assert_array_equal(last, ways[1][6][0][1])
    assert not ways[1][-1][4]["unstable"].any()
    others = [0, 2, 3, 4]
    for one, other in zip(*ways, strict=True):
        assert np.isfinite(other[0]).all()
        np.testing.assert_array_equal(one[0][others], other[0][others])
    for one, other in zip(ways[0][1:], ways[1][1:], strict=True):
        np.testing.assert_array_equal(one[1][others], other[1][others])


def test_only_masked_worlds_are_reset_and_the_rest_goes_on(pack):
    env = make_vec(pack, SHORT, 3, autoreset_mode=NEVER)
    env.reset(seed=1)
    before = env.step(actions(1, 3)[0])[0]
    mask = np.array([False, True, False])
    seen, info = env.reset(options={"reset_mask": mask})
    np.testing.assert_array_equal(seen[~mask], before[~mask])
    assert (seen[1] != before[1]).any()
    assert info["_cousin"].tolist() == mask.tolist()
    for _ in range(31):
        over = np.logical_or(*env.step(np.zeros((3, 8)))[2:4])
        if over.any():
            break
    with pytest.raises(UsageError, match="is over: reset it"):
        env.step(np.zeros((3, 8)))
    env.reset(options={"reset_mask": over})
    env.step(np.zeros((3, 8)))


def test_cousins_are_those_asked_for(pack):
    numbers = played(make_vec(pack, SHORT, 4, cousins=(0.15, 0.35)), 60, seed=0)
    assert {n for step in numbers for n in step[-1]["cousin"].tolist()} == {2, 3}
    one = make_vec(pack, SHORT, 3, cousins=8)
    assert one.reset(seed=0)[1]["cousin"].tolist() == [8] * 3
    both = make(pack, SHORT, [1, 8])
    taken = [both.reset(seed=seed)[1]["cousin"] for seed in range(8)]
    assert set(taken) == {1, 8}


def test_worlds_gather_and_push_the_same_things_in_every_family(pack):
    worlds = Worlds(pack, pool(pack), Cpu(threads=1), 5)
    ids = np.arange(5)
    worlds.reset(ids, np.array([0, 3, 5, 6, 9]))
    assert worlds.number.tolist() == [0, 3, 5, 6, 9]
    pose, _ = worlds.objects()
    for world, (part, row) in enumerate([(0, 0), (0, 3), (0, 5), (1, 0), (1, 3)]):
        of = worlds.parts[part].running.family
        np.testing.assert_array_equal(pose[world].ravel(), of.arrays["qpos"][row])
    wrench = np.zeros((5, 4, 6))
    wrench[[1, 4], 2, 0] = 2.0
    worlds.advance(Command(wrench), 5)
    pushed = np.abs(worlds.objects()[1][..., 0]) > 0.01
    assert np.argwhere(pushed).tolist() == [[1, 2], [4, 2]]
    assert not worlds.unstable().any()


@given(
    counts=st.lists(st.integers(1, 5000), min_size=1, max_size=9), n=st.integers(1, 3000)
)  # fmt: skip
def test_families_share_worlds_in_proportion(counts, n):
    got = shares(np.array(counts), n)
    assert got.sum() == n
    assert (got >= (1 if n >= len(counts) else 0)).all()
    quota = n * np.array(counts) / sum(counts)
    few = np.minimum(quota, 1).sum()
    assert (np.abs(got - quota) <= 1 + len(counts) - few).all()


def test_families_too_large_to_be_made_at_once_do_the_same(pack, monkeypatch):
    some = {"cousins": [1, 2, 4, 7, 9]}
    made = played(make_vec(pack, SHORT, 4, **some), 35, seed=3)
    monkeypatch.setattr("cousins.env.worlds.TABLE", 0)
    same(made, played(make_vec(pack, SHORT, 4, **some), 35, seed=3))


@pytest.mark.parametrize("noise", [False, True])
def test_cameras_see_each_cousin(pack, opengl, noise):
    kinds = ("state", "rgb", "depth", "segmentation")
    how = {"observe": kinds, "size": (64, 48), "noise": noise}
    env = make_vec(pack, SHORT, 2, seed=3, **how)
    seen, _ = env.reset()
    assert seen in env.observation_space
    assert [seen[kind].shape for kind in kinds] == [(2, 52), (2, 48, 64, 3), (2, 48, 64),
                                                    (2, 48, 64)]  # fmt: skip
    assert seen["rgb"].dtype == seen["segmentation"].dtype == np.uint8
    for world in range(2):
        assert set(np.unique(seen["segmentation"][world])) == {0, 1, 2, 3, 4}
    # The things stand on a table between half a metre and three metres off.
    depth = seen["depth"][seen["segmentation"] > 0]
    assert 0.4 < depth.min() < depth.max() < 3
    told = [env.reset(seed=3), *(env.step(a) for a in actions(2, 2))]
    env.close()
    same(told, played(singles(pack, [FIRST, SECOND], NEXT, **how), 2, seed=3))


def test_what_moves_is_seen_to_move(pack, opengl):
    env = make_vec(pack, SHORT, 1, cousins=2, observe=("segmentation",), size=(64, 48))
    before = env.reset(seed=0)[0]["segmentation"][0]
    push = np.zeros((1, 8))
    push[0, 2:4] = 1.0  # the second object
    for _ in range(12):
        after = env.step(push)[0]["segmentation"][0]
    env.close()
    assert ((before == 1) == (after == 1)).mean() > 0.99
    assert ((before == 2) != (after == 2)).sum() > 5


def test_several_cameras_lie_one_behind_the_other(pack, opengl):
    env = make(pack, SHORT, 1, observe="rgb", cameras=("overview", "overview"), size=(32, 24))
    seen, _ = env.reset(seed=0)
    env.close()
    assert seen["rgb"].shape == (2, 24, 32, 3)
    assert set(seen) == {"rgb"}


@pytest.mark.parametrize(
    ("how", "word"),
    [
        ({"task": "juggle"}, "tasks: hold"),
        ({"engine": "steam"}, "engines: cpu"),
        ({"wheels": 4}, "no setting 'wheels'.*pushes.*threads|threads.*pushes"),
        ({"num_envs": 0}, "0 worlds"),
        ({"cousins": []}, "give their numbers"),
        ({"cousins": [3, 99]}, "no cousin 99: they go from 0 to 9"),
        ({"cousins": (2.0, 3.0)}, "they lie at 0 to 0.9"),
        ({"cousins": "near"}, "'near' is neither \"twin\" nor numbers"),
        ({"observe": ()}, "nothing to observe"),
        ({"observe": ("smell",)}, "no observation 'smell'; there are: state, rgb"),
        ({"observe": ("rgb",), "cameras": ("back",)}, "no camera 'back'; there are: overview"),
        ({"observe": ("rgb",), "size": (4, 4)}, "4x4 pixels"),
        ({"observe": ("rgb",), "size": 64}, "width and height"),
        ({"autoreset_mode": "Often"}, "NextStep, SameStep, Disabled"),
        ({"render_mode": "human"}, "there is: rgb_array"),
        ({"seed": [1, 2]}, "2 seeds for 3 worlds"),
        ({"seed": -1}, "0 or more"),
        ({"task": Hold(control=1e-4)}, "make `control` longer"),
        ({"pack": 3}, "a path, or what cousins.pack.read gives"),
        ({"pack": Path("nowhere")}, "nowhere"),
    ],
)
def test_what_cannot_be_had_is_refused_in_one_line(pack, how, word):
    with pytest.raises(CousinsError, match=word) as caught:
        make_vec(**{"pack": pack, "num_envs": 3, **how})
    assert "\n" not in str(caught.value)


def test_what_cannot_be_done_is_refused_in_one_line(pack, tmp_path):
    env = make_vec(pack, SHORT, 3)
    with pytest.raises(UsageError, match="call reset first"):
        env.step(np.zeros((3, 8)))
    env.reset()
    for bad, word in (
        (np.zeros((3, 7)), "takes \\(3, 8\\)"), (np.full((3, 8), np.nan), "not finite"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=word):
            env.step(bad)
    with pytest.raises(UsageError, match="boolean array"):
        env.reset(options={"reset_mask": [True, False, False]})
    write(tmp_path / "bare", table_scene(), manifest(), quality())
    with pytest.raises(UsageError, match="holds no cousins yet"):
        make(tmp_path / "bare")


def test_rsl_rl_learns_in_them(pack):
    torch = pytest.importorskip("torch", reason="rsl_rl wants torch")
    pytest.importorskip("tensordict", reason="rsl_rl wants tensordict")
    from cousins.env.rsl_rl import RslRlEnv

    with pytest.raises(UsageError, match="SameStep"):
        RslRlEnv(make_vec(pack, SHORT, 2))
    env = RslRlEnv(make_vec(pack, SHORT, 4, autoreset_mode=SAME), seed=1)
    env.episode_length_buf = torch.tensor([0, 10, 20, 29])
    seen, reward, done, extras = env.step(torch.zeros(4, env.num_actions))
    assert seen["policy"].shape == (4, 52)
    assert reward.dtype == torch.float32
    assert done.tolist() == [0, 0, 0, 1]
    assert extras["time_outs"].tolist() == [False, False, False, True]
    assert env.episode_length_buf.tolist() == [1, 11, 21, 0]
    assert {name: len(each) for name, each in extras["log"].items()} == {
        "/success": 1, "/unstable": 1}  # fmt: skip
    runners = pytest.importorskip("rsl_rl.runners", reason='pip install "cousins[rsl-rl]"')
    network = {"class_name": "MLPModel", "hidden_dims": [8], "activation": "elu"}
    spread = {"class_name": "GaussianDistribution", "init_std": 1.0}
    how = {
        "num_steps_per_env": 8, "save_interval": 100,
        "obs_groups": {"actor": ["policy"], "critic": ["policy"]},
        "actor": {**network, "distribution_cfg": spread}, "critic": network,
        "algorithm": {"class_name": "PPO", "num_learning_epochs": 1, "num_mini_batches": 1,
                      "rnd_cfg": None},
    }  # fmt: skip
    runner = runners.OnPolicyRunner(env, how, log_dir=None, device="cpu")
    runner.learn(2, init_at_random_ep_len=True)
    assert runner.get_inference_policy()(env.get_observations()).shape == (4, 8)
