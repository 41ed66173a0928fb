"""The generated parts of docs/commands.md: usage, arguments and options of the program."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer

from placer.cli.main import app

PROGRAM = "placer"
"""The block of the options that stand before a command."""


def command_blocks() -> dict[str, str]:
    """Return the block of every command by its name (``"whatif run"``)."""
    root: Any = typer.main.get_command(app)
    blocks = {PROGRAM: _table(root, typer.Context(root, info_name=PROGRAM))}
    for name, command in _commands(root, ()):
        context = typer.Context(command, info_name=f"{PROGRAM} {name}")
        usage = " ".join(command.get_usage(context).removeprefix("Usage: ").split())
        summary = " ".join(str(command.help).split())
        blocks[name] = f"    {usage}\n\n{summary}\n\n{_table(command, context)}"
    return blocks


def options_of_commands() -> dict[str, set[str]]:
    """Return every spelling of every option of each command, and its arguments."""
    root: Any = typer.main.get_command(app)
    named = {PROGRAM: root, **dict(_commands(root, ()))}
    return {
        name: {
            spelling
            for parameter in command.params
            for spelling in (*parameter.opts, *parameter.secondary_opts, parameter.metavar)
            if spelling
        }
        for name, command in named.items()
    }


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, (*path, name))
    if path and not hasattr(command, "commands"):
        yield " ".join(path), command


def _table(command: Any, context: typer.Context) -> str:
    rows = ["| | |", "|---|---|"]
    for parameter in command.params:
        label, text = parameter.get_help_record(context)
        label = re.sub(r" <(?:list\[)?(?:str|path)\]?>$", "", label)
        label = label.replace("<int range>", "N").replace("<", "").replace(">", "")
        rows.append(f"| `{_cell(label)}` | {_cell(_limits(text))} |")
    return "\n".join(rows)


def _limits(text: str) -> str:
    """Return a help text with what it says in brackets as words: ``0<=x<=9`` as ``0 to 9``."""
    text = re.sub(r"(-?[\d.]+)<=x<=(-?[\d.]+)", r"\1 to \2", text)
    text = re.sub(r"x>=(-?[\d.]+)", r"\1 or more", text)
    text = re.sub(r"\[default: no-[^\];]+\]$", "", text)  # a switch is off unless it is said
    text = re.sub(r"\[default: ([^\];]+)", r"[by default \1", text)
    return re.sub(r"\s*\[([^\[\]]*)\]$", r" (\1)", " ".join(text.split()))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
