"""``placer balloon``: a placed domain with less memory, or with more again."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from placer.cli.progress import QuietOption, progress
from placer.cli.runs import read_finished
from placer.cli.streams import say, show

_VNODE: Final = re.compile(r"([0-9]{1,4})=(.+)", re.ASCII)


def balloon(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")],
    domain: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Which domain; the only placed one may be left out."),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="The memory that it is to have, such as 3GiB."),
    ] = None,
    vnode: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N=SIZE",
            help="The size of vnode N; the others share the rest of the target. May repeat.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the new state as this run.")
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Balloon a placed domain of RUN, vnode by vnode, and say what that does to its locality."""
    sizes = _vnode_sizes(vnode or [])
    if target is None and not sizes:
        raise typer.BadParameter("expected --target SIZE, --vnode N=SIZE or both")
    pages = None if target is None else _pages(target, "--target")
    with progress(f"reading {run}", quiet=quiet) as tell:
        from placer.ballooning import balloon as change
        from placer.report.ballooned import show_ballooned
        from placer.report.folder import refuse_unless_replaceable, write_run
        from placer.run import only_placed

        if out is not None:
            refuse_unless_replaceable(out)
        finished = read_finished(run)
        name = domain or only_placed(finished)
        tell(f"ballooning {name}")
        found = change(finished, name, pages, sizes)
        if out is not None:
            tell(f"writing {out}")
            write_run(out, found.run, log={"arguments": sys.argv[1:]})
    show(lambda stream: show_ballooned(finished, found, stream))
    if out is not None and not quiet:
        say(f"wrote {out}")


def _vnode_sizes(texts: list[str]) -> dict[int, int]:
    """Return the pages of each vnode that is named; a usage error where one is named wrong."""
    found: dict[int, int] = {}
    for text in texts:
        match = _VNODE.fullmatch(text)
        if match is None:
            raise typer.BadParameter(f"{text!r}, expected N=SIZE", param_hint="--vnode")
        if int(match[1]) in found:
            raise typer.BadParameter(f"vnode {match[1]} twice", param_hint="--vnode")
        found[int(match[1])] = _pages(match[2], "--vnode")
    return found


def _pages(text: str, option: str) -> int:
    from placer.units import pages_from_bytes, parse_size

    try:
        return pages_from_bytes(parse_size(text))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error
