"""``placer config``: where the defaults of options come from."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from placer.cli.streams import show

app = typer.Typer(
    name="config",
    help="Show the defaults of options, and where they come from.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def _config() -> None:
    """Keep ``show`` a command of its own."""


@app.command("show")
def show_config(
    context: typer.Context,
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND", help="Of this command alone, such as: whatif run."),
    ] = None,
    every: Annotated[
        bool,
        typer.Option("--all/--no-all", help="Also what neither a file nor the environment sets."),
    ] = False,
) -> None:
    """Show which options have other defaults than the built-in ones, and why."""
    from placer.cli.defaults import commands_of, read_defaults, settings_of
    from placer.errors import Fault, InputError

    root: Any = context.find_root().command
    wanted = " ".join(command or [])
    names = [name for name, _ in commands_of(root)]
    if wanted and not any(name == wanted or name.startswith(f"{wanted} ") for name in names):
        raise InputError(
            Fault(
                source="config show",
                field="COMMAND",
                found=repr(wanted),
                expected=f"one of {', '.join(names)}",
            )
        )
    defaults = read_defaults(root, os.environ)
    rows = [
        (setting.command, setting.option, _text(setting.value), setting.source)
        for setting in settings_of(root, defaults, os.environ)
        if (every or setting.source != "built in")
        and (not wanted or setting.command == wanted or setting.command.startswith(f"{wanted} "))
    ]
    from placer.report.settings import show_settings

    path = "none" if defaults.path is None else str(defaults.path)
    show(lambda stream: show_settings(rows, path, stream))


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
