"""A run as one table and a few lines, for a person at a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from typing import Final, TextIO

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from placer.cost import mean_access_distance
from placer.cpulist import format_ranges
from placer.placement import PlacedDomain
from placer.report.console import new_table, print_table, print_to
from placer.report.document import realised_pages
from placer.report.loads import loads_of
from placer.report.printable import printable
from placer.result import Baseline, Level, Move, Result, Score
from placer.run import Run
from placer.topology import topology_of
from placer.units import PAGES_PER_MIB, format_pages

MAX_ROWS: Final = 200
"""Vnodes that the table shows; placements.csv has them all."""

_MAX_DISTANCES: Final = 8

_MAX_VIOLATIONS: Final = 5
"""How many of the rules that libxl's answer breaks are listed before the rest are counted."""


def show_run(run: Run, score: Score | None, out: TextIO) -> None:
    """Print the placement, the levels and the comparison with libxl's own rule to ``out``.

    Stable where ``out`` is no terminal: at most 100 columns, no colour, no spaces at the end
    of a line. Boxes are drawn with ASCII where the encoding of ``out`` has no others.
    ``score`` is the checker's of the answer.
    """
    print_to(out, lambda console: _print_run(run, score, console))


def _print_run(run: Run, score: Score | None, console: Console) -> None:
    if run.placed:
        print_table(console, _placement_table(run))
        console.print()
    if run.result.levels:
        print_table(console, _level_table(run.result.levels))
        console.print()
    if run.result.moves:
        print_table(console, _move_table(run.result.moves))
        console.print()
    for line in summary_lines(run, score):
        console.print(Text(printable(line)), soft_wrap=True)


def summary_lines(run: Run, score: Score | None) -> Iterator[str]:
    """Yield what the tables do not say: how many are placed, how well, and libxl's answer."""
    result = run.result
    num_domains = len(run.problem.domains)
    yield f"{_outcome(result)}: {len(run.placed)} of {num_domains} domains placed"
    if score is not None and run.placed:
        yield f"mean access distance {_figure(score.mean_access_distance)} (10 is all local)"
        if score.violations:
            yield f"this answer breaks {_count(score.violations, 'rule')}:"
            yield from (f"  {violation}" for violation in score.violations)
    yield from thread_lines(run)
    if result.creation_order:
        names = ", ".join(result.creation_order)
        yield f"create in this order, for memory to be as planned: {names}"
    if run.problem.current:
        yield from move_lines(run)
    for baseline in result.baselines:
        if result.solver.name != baseline.name:
            yield from _baseline_lines(baseline, score)


def thread_lines(run: Run) -> Iterator[str]:
    """Yield how full the fullest cores of this run's pnodes are, where that is worth a line.

    It is where some core carries more than one vcpu, and where the host counts or prices
    cores. On a pnode with sibling threads that says how many vcpus share a core.
    """
    fullest: tuple[Fraction, Fraction, str] | None = None
    num_packed = 0
    for load in loads_of(run):
        for pnode in np.flatnonzero(load.placed).tolist():
            core, thread = load.per_core(pnode), load.per_thread(pnode)
            if core is None or thread is None or (core <= 1 and load.host.smt == "threads"):
                continue
            num_packed += core > 1
            if fullest is None or (core, thread) > fullest[:2]:
                fullest = core, thread, f"pnode {pnode} of {load.host.name}"
    if fullest is None:
        return
    core, thread, where = fullest
    text = f"most vcpus per core: {_figure(float(core))} on {where}"
    text += f" ({_figure(float(thread))} per thread)"
    if num_packed:
        text += f"; more than 1 on {num_packed} pnode" + ("" if num_packed == 1 else "s")
    yield text


def move_lines(run: Run) -> Iterator[str]:
    """Yield how much of what runs is moved, and what has to stop to make room."""
    result = run.result
    moved = {move.domain: move.pages for move in result.moves if move.pages}
    kinds = Counter(move.kind for move in result.moves if move.kind in ("live", "restart", "stop"))
    words = [f"{count} {_MOVE_WORDS[kind]}" for kind, count in kinds.items()]
    text = f" ({', '.join(words)})" if words else ""
    number = len(run.problem.current)
    if result.placement is not None and moved:
        pages = format_pages(sum(moved.values()))
        yield f"{len(moved)} of {number} running domains moved{text}, {pages} in all"
    elif result.placement is not None:
        yield f"none of {number} running domains moved{text}"
    stopped = [move.domain for move in result.moves if move.kind == "stop"]
    if stopped:
        known = "no fewer will do" if result.fewest_stops else "whether fewer will do is not known"
        yield (
            "no order keeps every pnode within its room while all of them run: stop "
            f"{', '.join(stopped)} first ({known})"
        )


_MOVE_WORDS: Final = {"live": "live", "restart": "restarted", "stop": "stopped first"}


def _outcome(result: Result) -> str:
    words = {
        "optimal": "proven optimal",
        "feasible": "not proven optimal",
        "infeasible": "proven impossible",
        "unknown": "no answer",
    }
    if result.solver.name == "libxl":
        return "libxl's own rule"
    return words[result.status] + (", interrupted" if result.interrupted else "")


def _baseline_lines(baseline: Baseline, score: Score | None) -> Iterator[str]:
    """A baseline's figures beside ours; of libxl's broken rules the first few."""
    theirs = baseline.score
    is_libxl = baseline.name == "libxl"
    text = "libxl's own rule" if is_libxl else baseline.name.replace("-", " ")
    text += f": {theirs.placed} placed"
    if theirs.placed:
        text += f", mean access distance {_figure(theirs.mean_access_distance)}"
    if score is not None and theirs.placed == score.placed and theirs.cost and score.cost:
        change = 100 * (score.cost - theirs.cost) / theirs.cost
        text += f" (this answer: {change:+.1f} %)" if change else " (this answer: the same)"
    if theirs.violations and not is_libxl:
        yield f"{text}, breaks {_count(theirs.violations, 'rule')}"
        return
    yield text + ("" if theirs.violations else ", breaks no rule")
    if theirs.violations:
        yield f"  breaks {_count(theirs.violations, 'rule')}:"
        shown = theirs.violations[:_MAX_VIOLATIONS]
        yield from (f"  {violation}" for violation in shown)
        if len(shown) < len(theirs.violations):
            yield f"  and {len(theirs.violations) - len(shown)} more"


def _count(items: tuple[object, ...], noun: str) -> str:
    return f"{len(items)} {noun}" + ("" if len(items) == 1 else "s")


def _placement_table(run: Run) -> Table:
    table = new_table(
        ("domain", False),
        ("host", False),
        ("vnode", True),
        ("pnode", True),
        ("MiB", True),
        ("vcpus", False),
        ("pcpus", False),
        ("distances", False),
        ("mean access", True),
    )
    num_rows = sum(placed.num_vnodes for placed in run.placed)
    shown = 0
    for placed in run.placed:
        for row in _vnode_rows(run, placed):
            if shown == MAX_ROWS:
                table.caption = f"and {num_rows - shown} more vnodes"
                return table
            table.add_row(*(Text(cell) for cell in row))
            shown += 1
    return table


def _vnode_rows(run: Run, placed: PlacedDomain) -> Iterator[tuple[str, ...]]:
    domain, host = run.domain(placed.domain), run.host(placed.host)
    pages = realised_pages(run, placed)
    distances = topology_of(run.problem, placed).distances.tolist()
    for vnode, home in enumerate(placed.home.tolist()):
        vcpus = [v for v, owner in enumerate(placed.vcpu_to_vnode.tolist()) if owner == vnode]
        pcpus = [int(placed.vcpu_to_pcpu[vcpu]) for vcpu in vcpus]
        row = distances[vnode]
        text = " ".join(map(str, row)) if len(row) <= _MAX_DISTANCES else f"{len(row)} entries"
        first = vnode == 0
        yield (
            printable(domain.name) if first else "",
            printable(host.name) if first else "",
            str(vnode),
            str(home),
            _memory(pages[vnode].tolist(), home),
            format_ranges(vcpus),
            " ".join(map(str, pcpus)) if len(pcpus) <= _MAX_DISTANCES else format_ranges(pcpus),
            text,
            _figure(float(mean_access_distance(domain, placed, host))) if first else "",
        )


def _memory(pages: list[int], home: int) -> str:
    """Return MiB, by pnode where the memory is not all at home."""
    used = [(pnode, count) for pnode, count in enumerate(pages) if count]
    if not used or [pnode for pnode, _ in used] == [home]:
        return _mib(sum(pages))
    return "\n".join(f"{_mib(count)} on {pnode}" for pnode, count in used)


def _mib(pages: int) -> str:
    whole, rest = divmod(pages, PAGES_PER_MIB)
    return f"{whole}{f'{rest / PAGES_PER_MIB:.2f}'[1:]}" if rest else str(whole)


def _figure(value: float) -> str:
    """Return a figure to four decimals, one at least: ``14.0``."""
    return str(round(value, 4))


def _move_table(moves: tuple[Move, ...]) -> Table:
    table = new_table(
        ("step", True),
        ("move", False),
        ("domain", False),
        ("from", False),
        ("to", False),
        ("MiB moved", True),
    )
    for move in moves[:MAX_ROWS]:
        table.add_row(
            str(move.step),
            move.kind,
            Text(printable(move.domain)),
            Text(printable(_where(move.from_host, move.from_homes))),
            Text(printable(_where(move.to_host, move.to_homes))),
            _mib(move.pages),
        )
    if len(moves) > MAX_ROWS:
        table.caption = f"and {len(moves) - MAX_ROWS} more steps"
    return table


def _where(host: str | None, homes: tuple[int, ...]) -> str:
    """A host with the home pnode of each vnode: ``h1: 0 2``."""
    return "" if host is None else f"{host}: {' '.join(map(str, homes))}"


def _level_table(levels: tuple[Level, ...]) -> Table:
    table = new_table(
        ("level", False), ("value", True), ("bound", True), ("gap", True), ("status", False)
    )
    for level in levels:
        table.add_row(
            level.name, str(level.value), str(level.bound), f"{level.gap:.4g}", level.status
        )
    return table
