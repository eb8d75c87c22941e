"""A scene pack as environments to learn in: gymnasium's Env and VectorEnv.

Importing this package also tells gymnasium of them, so that
`gymnasium.make_vec("cousins.env:cousins/Hold-v0", num_envs=64, pack=path)` works by itself.
"""

from __future__ import annotations

from cousins.env.registration import register
from cousins.env.single import CousinEnv
from cousins.env.vector import CousinsVectorEnv

__all__ = ["CousinEnv", "CousinsVectorEnv", "make", "make_vec", "register"]

register()


# Under the names that gymnasium has for what makes an environment.
make, make_vec = CousinEnv, CousinsVectorEnv
