"""Other people's programs: their output kept, their failure one line, none left running."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from cousins.errors import ProgramError

LINE = 4096  # bytes of a line that are looked at
MOST_LOG = 64_000_000  # bytes; more than any training says
PATIENCE = 5.0  # s between asking a program to end and ending it
TAIL = 200  # lines in which a failure's reason is looked for
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_NO_MEMORY = re.compile(
    r"out of memory|can't allocate memory|cannot allocate memory|MemoryError|bad_alloc", re.I
)
_NO_SPACE = re.compile(r"no space left on device|disk quota exceeded", re.I)
_REASON = re.compile(r"^(?:[\w.]*(?:Error|Exception|Interrupt)\b.*|.*\berror:.*)", re.I)


def run(
    command: Sequence[str],
    folder: Path,
    log: Path,
    environment: Mapping[str, str],
    limit: float | None = None,
) -> Iterator[str]:
    """Runs a program in `folder` and yields its lines; both its outputs are added to `log`.

    However the caller leaves (an interrupt included), the program and all that it started end.
    Raises ProgramError, naming the log, where it cannot start, fails, or takes more than `limit`
    seconds.
    """
    name = Path(command[0]).name
    began = time.monotonic()
    tail: deque[str] = deque(maxlen=TAIL)
    with log.open("ab") as kept:
        kept.write(f"$ {' '.join(command)}\n".encode())
        kept.flush()
        try:
            child = subprocess.Popen(command, cwd=folder, env=dict(environment),
                                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip
        except OSError as error:
            raise ProgramError(f"{command[0]}: does not start: {error.strerror}") from None
        timer = None if limit is None else threading.Timer(limit, _kill, (child.pid,))
        try:
            if timer is not None:
                timer.start()
            assert child.stdout is not None
            while raw := child.stdout.readline(LINE):
                if kept.tell() < MOST_LOG:
                    kept.write(raw)
                    kept.flush()
                line = _ESCAPES.sub("", raw.decode(errors="replace")).rstrip()
                tail.append(line)
                yield line
            code = child.wait()
        finally:
            if timer is not None:
                timer.cancel()
            _end(child)
    if limit is not None and code and time.monotonic() - began >= limit:
        raise ProgramError(f"{name} did not end in {limit:.0f} s; its output is in {log}")
    if code:
        raise ProgramError(f"{name} failed: {_reason(code, tail)}; its output is in {log}")


def _kill(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a program's whole process group, politely first."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(PATIENCE)
    _kill(child.pid)
    child.wait()
    if child.stdout is not None:
        child.stdout.close()


def _reason(code: int, tail: Sequence[str]) -> str:
    """Why, in the plainest words that its last lines allow."""
    text = "\n".join(tail)
    if _NO_SPACE.search(text):
        return "the disk is full"
    if _NO_MEMORY.search(text) or code == -signal.SIGKILL:
        return "out of memory"
    if code < 0:
        return f"ended by signal {-code}"
    for line in reversed(tail):
        if _REASON.match(line.strip()):
            return line.strip()[:200]
    last = next((line.strip() for line in reversed(tail) if line.strip()), "")
    return f"exit code {code}" + (f" ({last[:200]})" if last else "")
