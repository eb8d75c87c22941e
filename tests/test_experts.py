"""Experts do every task, with both robots, in the twin and in its cousins."""

import numpy as np
import pytest
from robotic import write_robotic

from cousins.env import make_vec
from cousins.env.request import request
from cousins.errors import UsageError
from cousins.evaluation.rollout import plan, rollout, stage
from cousins.experts import Expert
from cousins.pack import read
from cousins.picture import CAMERA

TASKS = ("reach", "push", "lift", "place_on", "place_in", "stack", "sort")


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return read(write_robotic(tmp_path_factory.mktemp("experts") / "p"))


def done(pack, task, robot, cousins, episodes=3, seed=0, **settings):
    """What comes of an expert's episodes."""
    asked = request(pack, task, "cpu", cousins, ("state",), (CAMERA,), (64, 48), False,
                    {"threads": 1, **settings}, robot)  # fmt: skip
    on = stage(asked, episodes)
    return rollout(on, plan(asked.pool, on.episodes.numbers, episodes, seed), Expert())


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("robot", ["gantry", "arm"])
def test_an_expert_does_it_in_the_twin_and_in_cousins(pack, task, robot):
    made = done(pack, task, robot, [-1, 1, 4], episodes=4, seed=4)
    assert set(made.cousin) == {-1, 1, 4}
    assert made.success.all(), made.rows()
    assert not made.unstable.any()
    assert (made.failure == "").all()


@pytest.mark.parametrize("task", ["lift:ball_1", "push:brick_1", "place_in:ball_1"])
def test_it_does_it_with_other_things(pack, task):
    assert done(pack, task, "gantry", None).success.all()


def test_it_tells_each_world_by_itself(pack):
    """What it does in a world hangs on no other, and the same episode is the same again."""
    few, many = (done(pack, "lift", "gantry", [1, 4], episodes=n) for n in (2, 4))
    assert many.steps[:2].tolist() == few.steps.tolist()
    np.testing.assert_array_equal(many.reward[:2], few.reward)


def test_it_takes_another_grasp_where_one_failed(pack):
    env = make_vec(pack, "lift", 2, cousins="twin", jitter=0.0, threads=1)
    env.reset(seed=0)
    chosen, episodes = Expert(), env.episodes
    chosen.begin(episodes, np.arange(2))
    pushed = False
    for _ in range(episodes.limit):
        action = chosen(episodes)
        if not pushed and chosen._own.phase[0] == 3:  # it goes up: let it fall
            action[0, -1], pushed = 1.0, True
        out = episodes.step(action, np.zeros(2, bool))
        if out.success[0]:
            break
    assert pushed
    assert out.success[0]


def test_what_it_cannot_do_it_refuses_in_a_line(pack):
    chosen = Expert()
    env = make_vec(pack, "lift", 1, cousins="twin", control="joint", threads=1)
    env.reset(seed=0)
    with pytest.raises(UsageError, match='take control="delta"'):
        chosen.begin(env.episodes, np.arange(1))
    env = make_vec(pack, "hold", 1, threads=1)
    env.reset(seed=0)
    with pytest.raises(UsageError, match="no expert does the task hold"):
        chosen.begin(env.episodes, np.arange(1))
