"""What a masker costs a picture beside its network: segment-anything with random weights.

    python benchmarks/maskers.py [--kind vit_b] [--size 640x480] [--prompts 50] [--points]
                                 [--json FILE]

Time in the image encoder, and in the prompt encoder with the mask decoder, is told apart from all
the rest: the picture's way in, and the masks' way to the picture's size. Weights change no time, so
no checkpoint is needed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from cousins.masks import Prompt
from cousins.masks.sam import Sam, _library, _model
from cousins.native import require

PARTS = {
    "image encoder": ("image_encoder",),
    "prompts and decoder": ("prompt_encoder", "mask_decoder"),
}


def main() -> None:
    """Load, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--kind", default="vit_b", choices=["vit_b", "vit_l", "vit_h"])
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--prompts", type=int, default=50)
    parser.add_argument("--points", action="store_true", help="points alone: three answers each")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    arguments = parser.parse_args()
    width, height = map(int, arguments.size.split("x"))
    draw = np.random.default_rng(0)
    picture = draw.integers(0, 256, (height, width, 3), dtype=np.uint8)
    centres = draw.uniform(0.2, 0.8, (arguments.prompts, 2)) * (width, height)
    reach = 0.1 * min(width, height)
    prompts = [
        Prompt(c[None], None if arguments.points else np.concatenate([c - reach, c + reach]))
        for c in centres
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "random.pth"
        torch = require("torch")
        torch.manual_seed(0)
        torch.save(_library().sam_model_registry[arguments.kind]().state_dict(), file)
        masker = Sam(file, everything=False)
        start = time.perf_counter()
        model = _model(file, masker.stamp, "cuda" if torch.cuda.is_available() else "cpu")
        seconds = {"loading, once": time.perf_counter() - start}
        seconds.update(_timed(model, lambda: masker(picture, prompts)))
    table = Table(
        title=f"{arguments.kind}, {arguments.size}, {arguments.prompts} prompts, "
        f"{torch.get_num_threads()} threads, {model.device}"
    )
    table.add_column("a picture")
    table.add_column("s", justify="right")
    for name, taken in seconds.items():
        table.add_row(name, f"{taken:.2f}")
    Console().print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(seconds, indent=2) + "\n")


def _timed(model: Any, call: Callable[[], Any]) -> dict[str, float]:
    """Seconds in each part of the network, and in all the rest of the call."""
    taken = dict.fromkeys(PARTS, 0.0)
    began: dict[str, float] = {}

    def now() -> float:
        if model.device.type == "cuda":
            require("torch").cuda.synchronize()
        return time.perf_counter()

    for part, names in PARTS.items():
        for name in names:
            module = getattr(model, name)
            module.register_forward_pre_hook(lambda *_, p=part: began.update({p: now()}))
            module.register_forward_hook(
                lambda *_, p=part: taken.update({p: taken[p] + now() - began[p]})
            )
    start = now()
    call()
    return {**taken, "all the rest": now() - start - sum(taken.values())}


if __name__ == "__main__":
    main()
