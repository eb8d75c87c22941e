"""`cousins doctor`: what works on this machine, and how to get the rest."""

from __future__ import annotations

from dataclasses import asdict

import typer
from rich.markup import escape

from .console import Json, emit, progress


def doctor(as_json: Json = False) -> None:
    """Say what works here, and how to get the rest.

    Exits with 1 if a scan could not run.
    """
    from cousins.doctor import Check, examine, ready

    def line(check: Check) -> str:
        mark = "[green]works  [/]" if check.works else "[yellow]missing[/]"
        if check.required and not check.works:
            mark = "[red]broken [/]"
        advice = f"\n{'':10}{check.remedy}" if check.remedy else ""
        return f"{mark} {check.name:<22} {escape(check.detail + advice)}"

    with progress(as_json) as report:
        checks = examine(report)
    good = ready(checks)
    verdict = "Ready to scan." if good else "Not ready: mend what is marked broken."
    text = "\n".join([*map(line, checks), verdict])
    emit({"ok": good, "checks": [asdict(check) for check in checks]}, as_json, text)
    raise typer.Exit(0 if good else 1)
