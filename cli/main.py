"""The entry point: gathers the verbs and turns errors into one line and an exit code."""

from __future__ import annotations

import errno
import os
import sys
import traceback

import typer

from cousins import __version__
from cousins.errors import CousinsError

from .augment import augment
from .calibrate import calibrate
from .capture import capture
from .check import check
from .compare import compare
from .console import err
from .demo import demo
from .deploy import deploy
from .doctor import doctor
from .evaluate import evaluate
from .export import export
from .film import film
from .info import info
from .label import label
from .list import list
from .mine import mine
from .probe import probe
from .render import render
from .run import run
from .scan import scan
from .score import score
from .tag import tag
from .tasks import tasks
from .train import train
from .view import view
from .weigh import weigh

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
# In the order of use. A verb's module imports what it works with inside its function, so that
# `cousins --help` answers at once.
VERBS = (
    tag, capture, scan, label, weigh, probe, calibrate, augment, run, tasks, train, evaluate, mine,
    compare, deploy, view, render, export, info, list, check, film, score, doctor, demo,
)  # fmt: skip
for verb in VERBS:
    app.command()(verb)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"cousins {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    """Scan a real place; practise in thousands of its digital cousins."""


def main() -> None:
    """Run the command line."""
    try:
        app()
    except CousinsError as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        _interrupted()
    except SystemExit as stop:
        if stop.code == 130:
            _interrupted()
        raise
    except ImportError as error:
        from cousins.native import explain

        _fail(str(explain(error)), 1)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EPERM):
            raise
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror}: free some space or choose another place", 1)
    except (AttributeError, RuntimeError) as error:
        # With a MUJOCO_GL that does not work here, MuJoCo's import itself fails.
        if not any(
            "gl_context" in frame.filename for frame in traceback.extract_tb(error.__traceback__)
        ):
            raise
        from cousins.gl import remedy

        name = os.environ.get("MUJOCO_GL", "").strip().lower()
        _fail(f"MuJoCo does not import with MUJOCO_GL={name}: {remedy(name)}", 1)


def _interrupted() -> None:
    _fail("interrupted; run the same command again to go on from here", 130)


def _fail(message: str, code: int) -> None:
    err.print(f"error: {message}", style="red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(code)
