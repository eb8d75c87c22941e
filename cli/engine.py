"""An engine, and what it steps, as the command line asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from cousins.engines import Engine

Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting of the engine; may be repeated."),
]
Proxies = Annotated[
    bool,
    typer.Option("--proxies", help="A box or a ball for each object, for engines like mjx."),
]


def settings_given(settings: list[str] | None) -> dict[str, Any]:
    """What `--set` said, by name, values as YAML has them. Raises UsageError."""
    import yaml

    from cousins.errors import UsageError

    asked: dict[str, Any] = {}
    for setting in settings or ():
        key, sign, value = setting.partition("=")
        if not sign or not value:
            raise UsageError(f"--set {setting}: write it as NAME=VALUE")
        try:
            asked[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            asked[key] = value
    return asked


def engine_of(name: str, settings: list[str] | None, **given: Any) -> Engine:
    """The engine of that name. Raises UsageError for what there is not."""
    from cousins.engines import engine

    asked = {key: value for key, value in given.items() if value}
    return engine(name, **{**asked, **settings_given(settings)})
