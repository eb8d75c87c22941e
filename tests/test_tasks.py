"""Tasks: pure functions, one text for any number of worlds."""

import numpy as np
import pytest

from cousins.errors import UsageError
from cousins.tasks import Layout, Now, task
from cousins.tasks.hold import NEAR, PUSH, SETTLE, Hold

LAYOUT = Layout(
    ("can_1", "box_1"), np.zeros((2, 3)), np.tile([1.0, 0, 0, 0], (2, 1)),
    np.full((2, 3), 0.1), np.array([0.4, 1.0]), 0.002,
)  # fmt: skip
UNIT = [1.0, 0, 0, 0]


def now(n, time=0.0):
    pose = np.tile(np.r_[0.1, 0.2, 0.7, UNIT], (n, 2, 1))
    return Now(np.full(n, time), pose.copy(), pose.copy(), np.zeros((n, 2, 6)))


def episode(n, seed=0):
    hold = Hold()
    uniform = np.random.default_rng(seed).random((n, hold.numbers(LAYOUT)))
    return hold, hold.begin(np, LAYOUT, uniform, now(n))


def test_worlds_are_judged_alike_alone_and_together():
    hold, memory = episode(7)
    rng = np.random.default_rng(1)
    moment = now(7, 1.3)
    moment.pose[...] += rng.normal(0, 0.02, moment.pose.shape)
    action = rng.uniform(-1, 1, (7, hold.actions(LAYOUT)))
    together = hold.judge(np, LAYOUT, memory, moment, action)
    wrench = hold.command(np, LAYOUT, memory, moment, action).wrench
    seen = hold.observe(np, LAYOUT, memory, moment)
    assert seen.shape == (7, len(hold.observations(LAYOUT)))
    for i in range(7):
        one = Now(*(np.asarray(v)[i] for v in (moment.time, moment.start, moment.pose,
                                               moment.velocity)))  # fmt: skip
        own = {name: value[i] for name, value in memory.items()}
        alone = hold.judge(np, LAYOUT, own, one, action[i])
        assert alone.reward == together.reward[i]
        assert alone.ended == together.ended[i]
        np.testing.assert_array_equal(
            hold.command(np, LAYOUT, own, one, action[i]).wrench, wrench[i]
        )
        np.testing.assert_array_equal(hold.observe(np, LAYOUT, own, one), seen[i])


def test_each_push_hits_one_thing_for_its_time_and_no_longer():
    hold, memory = episode(50)
    still = np.zeros((50, hold.actions(LAYOUT)))
    hit = np.zeros((50, 2))
    for t in np.arange(0, hold.limit, 0.01):
        force = hold.command(np, LAYOUT, memory, now(50, t), still).wrench
        assert (force[..., 2:] == 0).all()
        assert t >= SETTLE or not force.any()
        hit += np.linalg.norm(force[..., :2], axis=-1) > 0
    assert (hit.sum(1) <= hold.pushes * (PUSH / 0.01 + 1)).all()
    assert (hit.sum(1) >= PUSH / 0.01 - 1).all()


def test_an_action_is_a_force_in_weights_of_the_twin():
    hold, memory = episode(1)
    action = np.array([[1.0, 0, 0, -3.0]])
    force = hold.command(np, LAYOUT, memory, now(1), action).wrench
    np.testing.assert_allclose(force[0, 0, :3], [9.81 * 0.4, 0, 0])
    np.testing.assert_allclose(force[0, 1, :3], [0, -9.81, 0])


def test_what_stays_is_worth_most_and_what_falls_ends_it():
    hold, memory = episode(4)
    moment, still = now(4), np.zeros((4, 4))
    moment.pose[1, 0, 0] += NEAR
    moment.pose[2, 1, 2] -= 0.1
    moment.pose[3, 1, 3:] = [np.cos(0.7), np.sin(0.7), 0, 0]
    told = hold.judge(np, LAYOUT, memory, moment, still)
    assert told.reward[0] == 1
    assert 0 < told.reward[1] < 1
    assert told.ended.tolist() == [False, False, True, True]
    assert told.success.tolist() == [True, False, False, False]
    turned = now(1)
    turned.pose[0, :, 3:] = [0, 0, 0, 1]  # about the vertical: nothing fell
    assert not hold.judge(np, LAYOUT, memory, turned, still[:1]).ended[0]
    strained = hold.judge(np, LAYOUT, memory, now(4), still + 1)
    assert strained.reward[0] < 1


def test_the_sign_of_a_quaternion_is_not_seen():
    hold, memory = episode(1)
    one, other = now(1), now(1)
    one.pose[0, 0, 3:] = [0.6, 0, 0, 0.8]
    other.pose[0, 0, 3:] = [-0.6, 0, 0, -0.8]
    np.testing.assert_array_equal(
        hold.observe(np, LAYOUT, memory, one), hold.observe(np, LAYOUT, memory, other)
    )


def test_a_task_is_found_by_its_name():
    assert task("hold", pushes=2) == Hold(pushes=2)
    with pytest.raises(UsageError, match="tasks: hold"):
        task("juggle")
    with pytest.raises(UsageError, match="settings: pushes"):
        task("hold", arms=2)
