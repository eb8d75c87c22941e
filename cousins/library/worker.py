"""Reads and splits a library's files in a process of its own, which may crash, hang or run out of
memory over one of them: then the next starts anew.

Parent and child exchange JSON, a line for each file; meshes go through .npz files.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

DEADLINE = 180.0  # s for a file
MEMORY = 16 << 30  # bytes of addresses
_CODE = "from cousins.library.worker import main; main()"


@dataclass
class Worker:
    """The child. deadline: s that it may take for one file."""

    deadline: float = DEADLINE
    _child: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def __call__(self, root: Path, name: str, out: Path) -> dict[str, Any]:
        """What `main` answers of a file. Where it dies or runs late, {"refused": why}."""
        child = self._child or self._start()
        self._child = child
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.write((json.dumps([str(root), name, str(out)]) + "\n").encode())
            child.stdin.flush()
            answer = self._line(child.stdout.fileno())
        except BrokenPipeError:
            answer = b""
        except BaseException:
            self.close()
            raise
        if answer is None:
            self.close()
            return {"refused": f"took longer than {self.deadline:.0f} s"}
        if not answer:
            self.close()
            return {"refused": "its reader crashed or ran out of memory"}
        return json.loads(answer)

    def _line(self, stream: int) -> bytes | None:
        """What the child says up to a line's end; b"" where it ended, None where it runs late."""
        end, got = time.monotonic() + self.deadline, b""
        while not got.endswith(b"\n"):
            left = end - time.monotonic()
            if left <= 0 or not select.select([stream], [], [], left)[0]:
                return None
            block = os.read(stream, 1 << 16)
            if not block:
                return b""
            got += block
        return got

    @staticmethod
    def _start() -> subprocess.Popen[bytes]:
        path = os.pathsep.join(p for p in sys.path if p)
        return subprocess.Popen(
            [sys.executable, "-c", _CODE],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            for stream in (self._child.stdin, self._child.stdout):
                if stream is not None:
                    stream.close()
            self._child = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()


def main() -> None:
    """The child's loop. Each line is [root, name, out]: the file's bodies are written to
    `out`-0.npz and so on; the answer says {"bodies": [{"name", "notes"}], "used": files} or
    {"refused": why, "used": files}."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    _limit()
    for line in sys.stdin:
        root, name, out = json.loads(line)
        answers.write(json.dumps(_one(Path(root), name, out)) + "\n")
        answers.flush()


def _limit() -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    except (ImportError, ValueError, OSError):
        pass  # no such limits on this system


def _one(root: Path, name: str, out: str) -> dict[str, Any]:
    from cousins.errors import CousinsError, MissingDependencyError
    from cousins.library.prepare import prepare
    from cousins.library.read import read
    from cousins.library.within import Refused, Within

    within = Within(root)
    try:
        bodies = []
        for i, raw in enumerate(read(within, name)):
            made = prepare(raw)
            _write(Path(f"{out}-{i}.npz"), made)
            bodies.append({"name": raw.name, "notes": list(made.notes)})
        return {"bodies": bodies, "used": list(within.used)}
    except MissingDependencyError as error:
        return {"refused": str(error), "missing": True}
    except (Refused, CousinsError) as error:
        return {"refused": str(error), "used": list(within.used)}
    except (MemoryError, RecursionError, KeyError, ValueError, OSError, RuntimeError) as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        return {"refused": f"cannot be used ({why})", "used": list(within.used)}


def _write(path: Path, made: Any) -> None:
    arrays = {"vertices": made.visual.vertices, "faces": made.visual.faces}
    if made.visual.uv is not None:
        arrays |= {"uv": made.visual.uv, "texture": made.visual.texture}
    for k, part in enumerate(made.parts):
        arrays |= {f"{k}_vertices": part.vertices, f"{k}_faces": part.faces}
    if made.primitive is not None:
        p = made.primitive
        arrays |= {"kind": np.array(p.kind),
                   "primitive": np.array([*p.size, *p.position, *p.quaternion])}  # fmt: skip
    arrays["watertight"] = np.array(made.watertight)
    beside = path.with_suffix(".part")
    with beside.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    os.replace(beside, path)
