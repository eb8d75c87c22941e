"""What is asked of every engine alike."""

from dataclasses import replace

import numpy as np
import pytest


def moving(running, qvel):
    """Give all worlds that velocity."""
    state = running.state()
    running.restore(replace(state, qvel=np.broadcast_to(qvel, state.qvel.shape)))


def restores_to_the_bit(running, qvel, rel=1e-6):
    """A state that is restored goes on as it did before."""
    moving(running, qvel)
    running.step(40)
    kept = running.state()
    running.step(60)
    there = running.qpos.copy()
    running.restore(kept)
    running.step(60)
    np.testing.assert_array_equal(running.qpos, there)
    assert running.state().time == pytest.approx(100 * running.model.opt.timestep, rel=rel)


def bears(running, worlds, mass, names, share=0.03):
    """In each world contacts bear the weight, to that share of it, of what stands there.
    mass: (n, bodies)."""
    running.step(250)
    found = running.contacts(worlds)
    assert sorted(set(found.world)) == worlds
    assert (np.diff(found.world) >= 0).all()
    assert np.linalg.norm(found.normal, axis=1) == pytest.approx(1, abs=1e-5)
    body = running.model.geom_bodyid[found.geom]
    for world in worlds:
        for name in names:
            b, mine = running.model.body(name).id, found.world == world
            on = found.force[mine & (body[:, 1] == b)].sum(0)
            on = on - found.force[mine & (body[:, 0] == b)].sum(0)
            weight = 9.81 * mass[world, b]
            np.testing.assert_allclose(on, [0, 0, weight], atol=share * weight)


def drives(running, worlds, mass):
    """Twice its weight, upwards, lifts a can in those worlds and in no other, until that ends.
    mass: (n, bodies)."""
    can, n = running.model.body("can_1").id, len(running)
    others = sorted({*range(n)} - {*worlds})
    wrench = np.zeros((n, running.model.nbody, 6))
    wrench[worlds, can, 2] = 2 * 9.81 * mass[worlds, can]
    height = running.model.joint("can_1").qposadr[0] + 2
    start = running.qpos[:, height].copy()
    running.drive(wrench)
    running.step(100)
    rise = running.qpos[:, height] - start
    assert rise[worlds] == pytest.approx(9.81 * 0.2**2 / 2, rel=0.05)  # g t² / 2
    assert np.abs(rise[others]).max() < 1e-3
    running.drive(np.zeros_like(wrench))
    speed = running.qvel[worlds[0]].max()
    running.step(50)
    assert running.qvel[worlds[0]].max() < speed
    with pytest.raises(ValueError, match="shape"):
        running.drive(wrench[:2])
