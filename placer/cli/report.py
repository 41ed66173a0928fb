"""``placer report``: a run as a page, as tables for a spreadsheet, or at the terminal."""

from __future__ import annotations

import logging
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Final

import typer

from placer.cli.progress import QuietOption, progress
from placer.cli.runs import read_finished
from placer.cli.streams import say, show, write_file, write_out, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TextIO

    from placer.report.page import Shown
    from placer.run import Run


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run.")],
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write one HTML page, complete by itself; - is standard output.",
        ),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write tables for a spreadsheet.")
    ] = None,
    compare: Annotated[
        Path | None, typer.Option(metavar="RUN2", help="Show what differs from this earlier run.")
    ] = None,
    whatif: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Show the what-if results of this folder.")
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the page's charts as SVG files.")
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Show a finished run: as a page, as tables for a spreadsheet, or here."""
    page, draws = "", []
    with progress(f"reading {run}", quiet=quiet) as tell:
        from placer.report.whatif_folder import read_rows, refuse_other_base

        for folder, option in ((csv, "--csv"), (pictures, "--pictures")):
            if folder is not None:
                _refuse_results(folder, option)
        finished = read_finished(run)
        if whatif is not None:
            refuse_other_base(whatif, read_rows(whatif), finished)
        before = None
        if compare is not None:
            tell(f"reading {compare}")
            before = read_finished(compare)
        if html is not None or pictures is not None:
            _hush_matplotlib()
            tell("drawing")
            title, earlier = _names(run, compare)
            shown = _shown(finished, before, earlier, whatif)
        if html is not None:
            from placer.report.page import render_page

            page = render_page(finished, title, shown)
            if html != _OUT:
                tell(f"writing {html}")
                write_file(html, page, "--html")
        if pictures is not None:
            from placer.report.page import pictures as pictures_of

            tell(f"writing {pictures}")
            _write_all(pictures, pictures_of(finished, shown), "--pictures")
        if csv is not None:
            tell(f"writing {csv}")
            _write_tables(finished, before, whatif, csv)
        if html is None and csv is None and pictures is None:
            tell("recomputing")
            draws = list(_draws(finished, before, whatif))
    if html == _OUT:
        write_out(page)
    for draw in draws:
        show(draw)
    for path in (None if html == _OUT else html, pictures, csv):
        if path is not None and not quiet:
            say(f"wrote {path}")


_OUT: Final = Path("-")
"""Stands for standard output."""


def _hush_matplotlib() -> None:
    """Let matplotlib not say that it makes itself a folder where it cannot write to its own.

    It removes that folder at the end, and whoever has no home to write to can do nothing else.
    """
    logging.getLogger("matplotlib").setLevel(logging.ERROR)


def _refuse_results(folder: Path, option: str) -> None:
    """Raise InputError where ``folder`` is a run or one of what-if results, not to be mixed."""
    from placer.errors import Fault, InputError
    from placer.report.whatif_folder import is_results
    from placer.run import PLACEMENT_FILE
    from placer.text_file import is_file

    found = "what-if results" if is_results(folder) else ""
    if is_file(folder / PLACEMENT_FILE):
        found = "a finished run"
    if found:
        raise InputError(
            Fault(source=str(folder), field=option, found=found, expected="a folder of its own")
        )


def _names(run: Path, compare: Path | None) -> tuple[str, str]:
    """What the run and the earlier one are called: by their folders, or in full where alike."""
    if compare is None:
        return run.resolve().name, ""
    names = run.resolve().name, compare.resolve().name
    return names if names[0] != names[1] else (str(run), str(compare))


def _shown(run: Run, before: Run | None, earlier: str, whatif: Path | None) -> Shown:
    from placer.report.page import Shown
    from placer.report.whatif_folder import read_domain_rows, read_points, read_rows
    from placer.whatif.compare import compare_runs

    return Shown(
        before=earlier,
        before_run=before,
        compared=() if before is None else tuple(compare_runs(before, run)),
        scenarios=() if whatif is None else read_rows(whatif),
        scenario_domains=() if whatif is None else read_domain_rows(whatif),
        points=() if whatif is None else read_points(whatif),
    )


def _write_tables(run: Run, before: Run | None, whatif: Path | None, folder: Path) -> None:
    from placer.report.compared import format_compared
    from placer.report.spreadsheet import spreadsheet_files
    from placer.report.whatif_folder import read_texts
    from placer.whatif.compare import compare_runs

    more = [] if whatif is None else list(read_texts(whatif))
    if before is not None:
        more.append(("compare.csv", format_compared(list(compare_runs(before, run)))))
    _write_all(folder, spreadsheet_files(run, more), "--csv")


def _write_all(folder: Path, texts: Mapping[str, str], option: str) -> None:
    from placer.whole_file import write_whole_files

    with writing(folder, option):
        write_whole_files(folder, {PurePath(name): text.encode() for name, text in texts.items()})


def _draws(run: Run, before: Run | None, whatif: Path | None) -> Iterator[Callable[[TextIO], None]]:
    """Yield what draws the run, the comparison and the scenarios; the computing is done here."""
    from placer.check import score
    from placer.report.compared import show_compared
    from placer.report.terminal import show_run
    from placer.report.whatif_folder import read_rows
    from placer.report.whatif_tables import show_scenarios
    from placer.whatif.compare import compare_runs

    placement = run.result.placement
    points = None if placement is None else score(run.problem, placement)
    yield lambda stream: show_run(run, points, stream)
    if before is not None:
        compared = list(compare_runs(before, run))
        yield lambda stream: show_compared(before, run, compared, stream)
    if whatif is not None:
        rows = read_rows(whatif)
        yield lambda stream: show_scenarios(rows, stream)
