"""Values that are empty: what an unset variable of a shell leaves of an argument."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import typer

from placer.cli.defaults import commands_of


def refuse_empty(root: Any) -> None:
    """Let every argument and option of the commands below ``root`` refuse an empty value.

    None has a meaning: as the name of a file it would be the working folder, as that of a domain
    whichever is placed.
    """
    for _, command in commands_of(root):
        for param in command.params:
            # Not by its callback, which is given a path already: that of "" is ".".
            param.process_value = partial(_process, param, param.process_value)


def _process(
    param: Any, process: Callable[[typer.Context, Any], Any], context: typer.Context, value: Any
) -> Any:
    given = value if isinstance(value, list | tuple) else [value]
    if any(isinstance(one, str) and not one for one in given):
        expected = param.metavar or "a value"
        raise typer.BadParameter(f"found an empty text, expected {expected}", context, param)
    return process(context, value)
