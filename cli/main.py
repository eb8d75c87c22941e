"""The entry point: gathers the verbs and turns errors into one line and an exit code."""

from __future__ import annotations

import errno
import sys

import click
import typer

from cousins import __version__
from cousins.errors import CousinsError

from .console import err

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"cousins {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True),
) -> None:
    """Scan a real place; practise in thousands of its digital cousins."""


def main() -> None:
    """Run the command line."""
    try:
        code = app(standalone_mode=False)
    except CousinsError as error:
        _fail(str(error), error.exit_code)
    except click.exceptions.Abort:
        _fail("interrupted", 130)
    except KeyboardInterrupt:
        _fail("interrupted; run the same command again to go on from here", 130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EPERM):
            raise
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror}: free some space or choose another place", 1)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int) -> None:
    err.print(f"error: {message}", style="red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(code)
