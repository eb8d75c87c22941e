"""Policies for tests, and a pack of ten cousins in two families to try them in."""

import numpy as np
from packs import family, manifest, quality

from cousins.pack import read, write
from examples import table_scene


class Still:
    """Does nothing."""

    def begin(self, episodes, ids):
        pass

    def __call__(self, episodes):
        return np.zeros((len(episodes.begun), episodes.task.actions(episodes.worlds.layout)))


class Erratic(Still):
    """Acts at random, by each episode's own seed, so hard that things fall now and then."""

    def __init__(self, strength=0.6):
        self.strength, self.streams = strength, {}

    def begin(self, episodes, ids):
        for world in ids.tolist():
            self.streams[world] = np.random.default_rng(episodes.seeds[world])

    def __call__(self, episodes):
        still = super().__call__(episodes)
        for world, stream in self.streams.items():
            still[world] = stream.uniform(-self.strength, self.strength, still.shape[1])
        return still


class Steady(Still):
    """Pulls everything back to where it stood."""

    def __init__(self, gain=40.0):
        self.gain = gain

    def __call__(self, episodes):
        seen = episodes.seen["state"].reshape(len(episodes.begun), -1, 13)
        pull = -self.gain * seen[..., :2] - 0.1 * self.gain * seen[..., 7:9]
        return np.clip(pull, -1, 1).reshape(len(seen), -1)


def write_pack(path):
    """Ten cousins in two families."""
    scene = table_scene()
    write(path, scene, manifest(), quality(), [family(scene), family(scene, n=4, first=6)])
    return read(path)
