"""``placer report``: a run as a page, as tables for a spreadsheet, or at the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from placer.cli.streams import say, show, write_file, writing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from placer.report.page import Shown
    from placer.run import Run


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run.")],
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write one HTML page, complete by itself.")
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
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not say what was written.")] = False,
) -> None:
    """Show a finished run: as a page, as tables for a spreadsheet, or here."""
    from placer.run import read_run

    finished = read_run(run)
    before = None if compare is None else read_run(compare)
    if html is not None or pictures is not None:
        shown = _shown(finished, before, compare, whatif)
        if html is not None:
            from placer.report.page import render_page

            write_file(html, render_page(finished, run.resolve().name, shown))
        if pictures is not None:
            from placer.report.page import pictures as pictures_of

            _write_all(pictures, pictures_of(finished, shown), "--pictures")
    if csv is not None:
        _write_tables(finished, before, whatif, csv)
    if html is None and csv is None and pictures is None:
        _show(finished, before, whatif)
    for path in (html, pictures, csv):
        if path is not None and not quiet:
            say(f"wrote {path}")


def _shown(run: Run, before: Run | None, compare: Path | None, whatif: Path | None) -> Shown:
    from placer.report.page import Shown
    from placer.report.whatif_folder import read_points, read_rows
    from placer.whatif.compare import compare_runs

    return Shown(
        before="" if compare is None else compare.resolve().name,
        before_run=before,
        compared=() if before is None else tuple(compare_runs(before, run)),
        scenarios=() if whatif is None else read_rows(whatif),
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
        folder.mkdir(parents=True, exist_ok=True)
        write_whole_files({folder / name: text.encode() for name, text in texts.items()})


def _show(run: Run, before: Run | None, whatif: Path | None) -> None:
    from placer.check import score
    from placer.report.compared import show_compared
    from placer.report.terminal import show_run
    from placer.report.whatif_folder import read_rows
    from placer.report.whatif_tables import show_scenarios
    from placer.whatif.compare import compare_runs

    placement = run.result.placement
    points = None if placement is None else score(run.problem, placement)
    show(lambda stream: show_run(run, points, stream))
    if before is not None:
        show(lambda stream: show_compared(before, run, list(compare_runs(before, run)), stream))
    if whatif is not None:
        show(lambda stream: show_scenarios(read_rows(whatif), stream))
