"""What Stable-Baselines3 saved, read and not run: weights only, nothing of it is unpickled.

Of A2C, PPO, SAC, TD3 and DDPG with an MlpPolicy on the state; the observation's statistics come
from the file of a `VecNormalize` beside it, where there is one.
"""

from __future__ import annotations

import io
import json
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.archive import DAMAGED
from cousins.env.episodes import Episodes
from cousins.env.worlds import Ids
from cousins.errors import PolicyError, UsageError
from cousins.policies import checked, width
from cousins.policies.extra import need
from cousins.policies.mlp import Activation, Mlp
from cousins.types import Array

MAX_BYTES = 1 << 28
MAX_DATA = 1 << 26  # the JSON beside the weights; it holds the last observations of all worlds
# Where the weights of the actor are: layers, the last layer, whether its output is squashed, and
# the activation where the file names none.
ACTORS: tuple[tuple[str, str, bool, Activation], ...] = (
    ("mlp_extractor.policy_net", "action_net", False, "Tanh"),  # A2C, PPO
    ("actor.latent_pi", "actor.mu", True, "Relu"),  # SAC
    ("actor.mu", "", True, "Relu"),  # TD3, DDPG
)
KNOWN: Mapping[str, Activation] = {"Tanh": "Tanh", "ReLU": "Relu", "ELU": "Elu"}


class Sb3:
    """mlp: the network."""

    def __init__(self, path: Path) -> None:
        """Raises PolicyError for a file of another kind, MissingDependencyError without torch."""
        self.path = Path(path)
        self.mlp: Mlp = read_sb3(self.path)

    def begin(self, episodes: Episodes, ids: Ids) -> None:
        """Raises UsageError where it was made for other observations or actions."""
        here = len(episodes.task.observations(episodes.worlds.layout)), width(episodes)
        mine = self.mlp.inputs, self.mlp.outputs
        if mine != here:
            raise UsageError(
                f"{self.path}: takes {mine[0]} numbers and gives {mine[1]} actions; task "
                f"{episodes.task.name} here tells {here[0]} and takes {here[1]}"
            )

    def __call__(self, episodes: Episodes) -> Array:
        """(n, K), what the policy does without noise."""
        return checked(self.mlp(episodes.seen["state"]), episodes, str(self.path))


def read_sb3(path: Path) -> Mlp:
    """The actor of a model that Stable-Baselines3 saved. Raises as `Sb3` does."""
    told, weights = _members(path)
    sort = next((a for a in ACTORS if _last(*a[:2], weights) in weights), None)
    strange = [n for n in weights if "features_extractor" in n]
    if sort is None or strange:
        raise PolicyError(f"{path}: no MlpPolicy of A2C, PPO, SAC, TD3 or DDPG on the state")
    body, head, squash, activation = sort
    pattern = re.compile(rf"{re.escape(body)}\.(\d+)\.weight")
    found = sorted(int(m[1]) for m in map(pattern.fullmatch, weights) if m)
    names = [f"{body}.{k}" for k in found] + ([head] if head else [])
    if found != [2 * k for k in range(len(found))]:
        raise PolicyError(f"{path}: a network with more than linear layers: export it as ONNX")
    named = _activation(path, told, activation)
    try:
        layers = tuple((weights[f"{n}.weight"], weights[f"{n}.bias"]) for n in names)
        many = layers[0][0].shape[1]
        mean, std, clip = _statistics(path, many)
        return Mlp(mean, std, clip, layers, named, squash)
    except (KeyError, IndexError):
        raise PolicyError(f"{path}: a network without biases: export it as ONNX") from None
    except PolicyError as error:
        raise PolicyError(f"{path}: {error}") from None


def _last(body: str, head: str, weights: Mapping[str, Any]) -> str:
    return f"{head}.weight" if head else f"{body}.0.weight"


def _activation(path: Path, told: Mapping[str, Any], default: Activation) -> Activation:
    how = told.get("policy_kwargs")
    named = how.get("activation_fn") if isinstance(how, dict) else None
    if named is None:
        return default
    short = re.sub(r"\W+$", "", str(named)).rpartition(".")[2]
    if short not in KNOWN:
        raise PolicyError(
            f"{path}: activation {short!r:.50}; there are: {', '.join(KNOWN)}: export it as ONNX"
        )
    return KNOWN[short]


def _members(path: Path) -> tuple[Mapping[str, Any], Mapping[str, NDArray[np.float32]]]:
    torch = need("torch")
    try:
        with zipfile.ZipFile(path) as archive:
            told = json.loads(_bounded(path, archive, "data", MAX_DATA))
            data = _bounded(path, archive, "policy.pth", MAX_BYTES)
        if not isinstance(told, dict):
            raise ValueError("no object")
    except KeyError:
        raise PolicyError(f"{path}: not what Stable-Baselines3 saves: no policy.pth") from None
    except (*DAMAGED, RecursionError) as error:
        raise PolicyError(f"{path}: damaged, or no zip ({error})") from None
    try:
        weights = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        return told, {str(n): v.detach().float().numpy() for n, v in weights.items()}
    except Exception as error:  # whatever a damaged file makes torch raise
        reason = " ".join(str(error).split())[:150]
        raise PolicyError(f"{path}: policy.pth holds no weights ({reason})") from None


def _bounded(path: Path, archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    size = archive.getinfo(name).file_size
    if size > limit:
        raise PolicyError(f"{path}: {name} is {size:,} bytes, above the limit of {limit:,}")
    return archive.read(name)


def _statistics(path: Path, many: int) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    """Mean, deviation and clip of a `VecNormalize` that lies beside; without one the observation
    as it is."""
    step = re.fullmatch(r"(.*)_(\d+)_steps", path.stem)
    names = ["vecnormalize.pkl", "vec_normalize.pkl", f"{path.stem}_vecnormalize.pkl",
             f"{path.stem}.pkl"]  # fmt: skip
    if step:  # as its CheckpointCallback calls them
        names.insert(0, f"{step[1]}_vecnormalize_{step[2]}_steps.pkl")
    folders = (path.parent, path.with_suffix(""))
    found = next((f for d in folders for n in names if (f := d / n).is_file()), None)
    if found is None:
        one = np.ones(many, np.float32)
        return np.zeros(many, np.float32), one, float(np.finfo(np.float32).max)
    state = _unpickled(found)
    try:
        if not state["norm_obs"]:
            raise PolicyError(f"{found.name}: does not normalise observations: remove it")
        rms = state["obs_rms"].__dict__
        mean = np.asarray(rms["mean"], np.float32)
        std = np.sqrt(np.asarray(rms["var"], float) + float(state["epsilon"])).astype(np.float32)
        clip = float(state["clip_obs"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise PolicyError(f"{found.name}: no statistics of a VecNormalize") from None
    if mean.shape != (many,) or not clip > 0:
        raise PolicyError(f"{found.name}: statistics of {mean.shape}, the network takes {many}")
    return mean, std, clip


class _Nothing:
    """Stands for whatever else a pickle names: it takes what it is given, and does nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.__dict__.update({str(name): value for name, value in state.items()})


class _Careful(pickle.Unpickler):
    """Calls nothing but numpy's own constructors of arrays."""

    def find_class(self, module: str, name: str) -> Any:
        arrays = module.startswith(("numpy.core.multiarray", "numpy._core.multiarray"))
        if arrays and name in ("_reconstruct", "scalar"):
            from numpy._core import multiarray

            return getattr(multiarray, name)
        if module == "numpy" and name in ("dtype", "ndarray"):
            return getattr(np, name)
        return type(name, (_Nothing,), {})


def _unpickled(path: Path) -> dict[str, Any]:
    with open(path, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise PolicyError(f"{path.name}: above {MAX_BYTES:,} bytes")
    try:
        return dict(vars(_Careful(io.BytesIO(data)).load()))
    except Exception as error:  # whatever a damaged file makes pickle raise
        reason = " ".join(str(error).split())[:150]
        raise PolicyError(f"{path.name}: no VecNormalize ({reason})") from None
