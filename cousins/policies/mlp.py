"""The network that the trainers here train and Stable-Baselines3 saves: a multilayer perceptron."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cousins.errors import PolicyError
from cousins.policies.extra import need
from cousins.types import Array

Activation = Literal["Tanh", "Relu", "Elu"]
_APPLY: Mapping[str, Any] = {
    "Tanh": np.tanh,
    "Relu": lambda x: np.maximum(x, 0),
    "Elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
}
ACTIVATIONS = tuple(_APPLY)


@dataclass(frozen=True)
class Mlp:
    """From an observation (n, D) to an action (n, K) in -1..1, all in float32.

    mean, std (D,) and clip: an observation is (x - mean) / std, clipped to ±clip, to the network.
    layers: weight (out, in) and bias (out,) of each; activation: between them. squash: the last
    layer's output goes through tanh, else it is clipped.
    """

    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    clip: float
    layers: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]
    activation: Activation
    squash: bool = False

    def __post_init__(self) -> None:
        """Raises PolicyError for layers that do not fit one another, or numbers that are not
        finite."""
        width = len(self.mean)
        good = self.std.shape == self.mean.shape == (width,) and bool(self.layers)
        for weight, bias in self.layers:
            good = good and weight.ndim == 2 and weight.shape == (len(bias), width)
            width = len(bias)
        if not good or self.activation not in ACTIVATIONS:
            raise PolicyError("a network whose layers do not fit one another")
        every = [self.mean, self.std, *(part for layer in self.layers for part in layer)]
        if not all(np.isfinite(part).all() for part in every) or not (self.std > 0).all():
            raise PolicyError("a network with numbers that are not finite: training diverged")

    @property
    def inputs(self) -> int:
        """D."""
        return len(self.mean)

    @property
    def outputs(self) -> int:
        """K."""
        return len(self.layers[-1][1])

    def __call__(self, observation: Array) -> NDArray[np.float32]:
        """(n, K) of (n, D)."""
        x = np.clip((np.asarray(observation, np.float32) - self.mean) / self.std,
                    np.float32(-self.clip), np.float32(self.clip))  # fmt: skip
        for i, (weight, bias) in enumerate(self.layers):
            x = x @ weight.T + bias
            if i + 1 < len(self.layers):
                x = _APPLY[self.activation](x)
        return np.tanh(x) if self.squash else np.clip(x, -1, 1)


def graph(mlp: Mlp) -> bytes:
    """The network as an ONNX file: input "observation" (n, D), output "action" (n, K). The same
    network gives the same bytes. Raises MissingDependencyError without onnx."""
    onnx = need("onnx")
    helper = onnx.helper
    held = {"mean": mlp.mean, "std": mlp.std,
            "low": np.float32(-mlp.clip), "high": np.float32(mlp.clip),
            "least": np.float32(-1), "most": np.float32(1)}  # fmt: skip
    nodes = [
        helper.make_node("Sub", ["observation", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "std"], ["scaled"]),
        helper.make_node("Clip", ["scaled", "low", "high"], ["hidden_0"]),
    ]
    for i, (weight, bias) in enumerate(mlp.layers):
        held |= {f"weight_{i}": weight, f"bias_{i}": bias}
        last = i + 1 == len(mlp.layers)
        made = "raw" if last else f"layer_{i}"
        nodes.append(
            helper.make_node("Gemm", [f"hidden_{i}", f"weight_{i}", f"bias_{i}"], [made], transB=1)
        )
        if not last:
            nodes.append(helper.make_node(mlp.activation, [made], [f"hidden_{i + 1}"]))
    if mlp.squash:
        nodes.append(helper.make_node("Tanh", ["raw"], ["action"]))
        del held["least"], held["most"]
    else:
        nodes.append(helper.make_node("Clip", ["raw", "least", "most"], ["action"]))
    kind = onnx.TensorProto.FLOAT
    made = helper.make_graph(
        nodes,
        "policy",
        [helper.make_tensor_value_info("observation", kind, ["n", mlp.inputs])],
        [helper.make_tensor_value_info("action", kind, ["n", mlp.outputs])],
        [onnx.numpy_helper.from_array(np.asarray(value, np.float32), name)
         for name, value in held.items()],
    )  # fmt: skip
    # Version 8 of the format and 17 of the operators are read by every onnxruntime since 2022.
    model = helper.make_model(
        made, ir_version=8, opset_imports=[helper.make_opsetid("", 17)], producer_name="cousins"
    )
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)
