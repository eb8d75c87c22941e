"""MuJoCo's viewers on a pack: a window, or the browser with nothing open to the network."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mujoco

from cousins.errors import EngineError, MissingDependencyError
from cousins.gl import display
from cousins.pack import read
from cousins.picture import cousin_model, twin_model

LOOPBACK = "127.0.0.1"


def _load(path: Path, cousin: int | None) -> tuple[mujoco.MjModel, mujoco.MjData]:
    pack = read(path)
    return twin_model(pack) if cousin is None else cousin_model(pack, cousin)


def window(path: Path, cousin: int | None, opened: Callable[[str], None]) -> None:
    """Open a window on the twin, or on a cousin, and return when it is closed.

    Raises MissingDependencyError where there is no display, PackError and UsageError as reading.
    """
    if sys.platform.startswith("linux") and not display():
        raise MissingDependencyError(
            "no display to open a window on: use --web, which serves the viewer to a browser"
        )
    model, data = _load(path, cousin)
    try:
        from mujoco import viewer
    except (ImportError, RuntimeError) as error:
        raise MissingDependencyError(f"no window can be opened ({error}): use --web") from None
    opened("")
    viewer.launch(model, data)


def browser(path: Path, cousin: int | None, port: int, opened: Callable[[str], None]) -> None:
    """Serve the twin, or a cousin, to a browser on this machine, until interrupted.

    port: 0 takes the first free one from 8080. opened: is told the address. Raises EngineError
    where the port is taken, PackError and UsageError as reading.
    """
    model, data = _load(path, cousin)
    from mujoco.studio import app, launch_web, viewer_protocol

    config = viewer_protocol.ViewerConfig(title="cousins", gfx="web", http_port=port,
                                          open_browser=True)  # fmt: skip
    try:
        # Its banner goes to stderr, since stdout is for results.
        with _loopback_only(_to(sys.stdout, opened)), contextlib.redirect_stdout(sys.stderr):
            launch_web.run(config, model=model, data=data,
                           plugins=[app.App(), *app.SIM_PLUGINS])  # fmt: skip
    except KeyboardInterrupt:
        return
    except RuntimeError as error:
        raise EngineError(f"the browser viewer did not start: {error}") from None


def _to(stream: Any, say: Callable[[str], None]) -> Callable[[str], None]:
    def told(url: str) -> None:
        with contextlib.redirect_stdout(stream):
            say(url)

    return told


@contextlib.contextmanager
def _loopback_only(opened: Callable[[str], None]) -> Iterator[None]:
    """MuJoCo binds every interface and has no setting for it, and the viewer has no password."""
    from mujoco.studio.web import web_server

    bind = web_server.bind_public_socket

    def bind_loopback(host: str, port: int = 0) -> Any:
        bound = bind(LOOPBACK, port)
        opened(f"http://localhost:{bound.getsockname()[1]}/")
        return bound

    web_server.bind_public_socket = bind_loopback
    try:
        yield
    finally:
        web_server.bind_public_socket = bind
