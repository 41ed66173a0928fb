"""``placer pages``: what memory a placed domain has, and its physical map as a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from placer.cli.progress import QuietOption, progress
from placer.cli.runs import read_finished
from placer.cli.streams import say, show, write_out, writing

if TYPE_CHECKING:
    from placer.frames import DomainFrames


def pages(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")],
    domain: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Which domain; the only placed one may be left out."),
    ] = None,
    p2m: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npy",
            help="Write the machine frame of each guest frame there, -1 where there is none.",
        ),
    ] = None,
    orders: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npy",
            help="Write the order of the extent behind each guest frame, 255 where there is none.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json/--no-json", help="Print JSON and nothing else.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Show the extents behind each vnode of a placed domain of RUN, and how contiguous they are."""
    wrote = []
    with progress(f"reading {run}", quiet=quiet) as tell:
        from placer.pages.p2m import write_orders, write_p2m
        from placer.record import format_json
        from placer.report.backing import backing_document, show_backing
        from placer.run import only_placed, realised_frames

        finished = read_finished(run)
        frames = realised_frames(finished, domain or only_placed(finished))
        tell("writing")
        if p2m is not None:
            wrote.append(_write(write_p2m, p2m, frames, "--p2m"))
        if orders is not None:
            wrote.append(_write(write_orders, orders, frames, "--orders"))
    if not quiet:
        for line in wrote:
            say(line)
    if as_json:
        write_out(format_json(backing_document(frames)))
        return
    show(lambda stream: show_backing(frames, stream))


def _write(
    write: Callable[[Path, DomainFrames], int], path: Path, frames: DomainFrames, option: str
) -> str:
    """Write a file and return what to say of it; InputError where it cannot be written."""
    with writing(path, option):
        entries = write(path, frames)
    return f"wrote {path}: {entries} guest frames"
