"""``placer place``: read, solve, realise, show."""

from __future__ import annotations

import re
import sys
import time
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from placer.cli.completion import policies
from placer.cli.engines import EngineChoice, SchedulerOption, engine_of
from placer.cli.exit_code import exit_code_of
from placer.cli.progress import QuietOption, progress
from placer.cli.streams import say, say_warnings, show, write_out

if TYPE_CHECKING:
    from fractions import Fraction

    from placer.errors import Fault
    from placer.placement import Placement
    from placer.problem import Era, Problem
    from placer.report.unfinished import Unfinished
    from placer.result import Refusal, Result
    from placer.run import Run


MOST_SECONDS = 10**9
"""No limit of seconds or of work is as long as this."""

LEAST_MEMORY = 256 << 20
"""No limit of memory is less: the program holds about half of it with OR-Tools loaded, so that a
lesser one would be reached before anything is placed."""

_SHOWN_SECONDS = 0.0003
_WRITTEN_SECONDS = 0.0015
"""What a placed domain takes to be shown, and to be written, measured on one core of 2023."""

_LEAST_SHARE = 0.1
"""Of the time limit, how much the answer has however long it took to read the question."""

_PERCENT = re.compile(r"[0-9]{1,4}(\.[0-9]{1,9})?%?", re.ASCII)


class Solver(StrEnum):
    """The solvers that can be chosen."""

    CPSAT = "cpsat"
    LIBXL = "libxl"


class EraChoice(StrEnum):
    """How PV guests are built."""

    UPSTREAM = "upstream"
    SEED = "seed"


def place(
    host: Annotated[
        list[str],
        typer.Option(
            metavar="HOST",
            help="Inventory file, folder, glob, finished run, or a synthetic host such as "
            "'pnode:2 core:4 memory:16GiB'. May repeat.",
        ),
    ],
    domains: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="DOMAIN",
            help="Files of domains (xl.cfg, TOML, CSV, libvirt, OpenStack, Proxmox), folders of "
            "them, or globs. With --rebalance there may be none.",
            show_default=False,
        ),
    ] = None,
    rebalance: Annotated[
        bool,
        typer.Option(
            "--rebalance/--keep",
            help="Let the domains that a run given as --host has placed be moved, or leave "
            "them where they are (the default).",
            show_default=False,
        ),
    ] = False,
    max_moves: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Move at most N domains, with --rebalance."),
    ] = None,
    max_moved_gib: Annotated[
        float | None,
        typer.Option(min=0, metavar="G", help="Move at most G GiB of memory, with --rebalance."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the run as this folder."),
    ] = None,
    fallback: Annotated[
        bool,
        typer.Option(
            "--fallback/--no-fallback", help="Replace faulty vNUMA options by their defaults."
        ),
    ] = False,
    ignore_pnodes: Annotated[
        bool,
        typer.Option(
            "--ignore-pnodes/--no-ignore-pnodes", help="Choose anew the pnodes that domains name."
        ),
    ] = False,
    policy: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Tie-break among placements of least cost.",
            autocompletion=policies,
        ),
    ] = None,
    allow_partial: Annotated[
        bool,
        typer.Option(
            "--allow-partial/--no-allow-partial", help="Leave out domains where not all fit."
        ),
    ] = False,
    cost_slack: Annotated[
        str,
        typer.Option(
            metavar="PERCENT", help="How much of the least cost later levels may give up."
        ),
    ] = "0",
    solver: Annotated[
        Solver, typer.Option(help="cpsat proves its answer; libxl is Xen's own rule.")
    ] = Solver.CPSAT,
    era: Annotated[
        EraChoice,
        typer.Option(help="Build PV guests as released Xen does, or as the patches of 2013 did."),
    ] = EraChoice.UPSTREAM,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Random seed.")] = 0,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=256,
            help="Threads of the solver, 1 if absent; with --parts, how many are solved side by "
            "side, if absent as many as there are processors.",
            show_default=False,
        ),
    ] = None,
    parts: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=1024,
            metavar="N",
            help="Solve a large fleet in N parts side by side, then repair the whole.",
        ),
    ] = None,
    engine: Annotated[
        EngineChoice | None,
        typer.Option(help="Where parts are solved: in threads if absent.", show_default=False),
    ] = None,
    scheduler: SchedulerOption = None,
    time_limit: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="End after so long, reading and writing counted, with the best so far.",
        ),
    ] = None,
    work: Annotated[
        float | None,
        typer.Option(
            metavar="UNITS",
            help="Stop with the best so far after so much deterministic time: equal questions "
            "then have equal answers on every machine.",
        ),
    ] = None,
    memory_limit: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Refuse models that would take more memory, such as 8GiB, and stop with the "
            "best so far where it is reached; 256MiB or more, what the machine has available if "
            "absent.",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume/--no-resume",
            help="Go on from what a killed solve of the same question left beside --out.",
        ),
    ] = True,
    as_json: Annotated[
        bool, typer.Option("--json/--no-json", help="Print placement.json and nothing else.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Place domains on hosts: vnodes on pnodes, vcpus on pcpus, pages in frames."""
    clock = _Clock()
    for limit, hint in ((time_limit, "--time-limit"), (work, "--work")):
        if limit is not None and not 0 < limit < MOST_SECONDS:
            told = f"found {limit:g}, expected above 0, below {MOST_SECONDS}"
            raise typer.BadParameter(told, param_hint=hint)
    most_memory = bytes_of(memory_limit)
    if not rebalance and (max_moves is not None or max_moved_gib is not None):
        hint = "--max-moves" if max_moves is not None else "--max-moved-gib"
        raise typer.BadParameter("expected together with --rebalance", param_hint=hint)
    if not domains and not rebalance:
        raise typer.BadParameter("expected a domain, or --rebalance", param_hint="DOMAIN")
    slack = _parse_percent(cost_slack)
    if parts is None and (engine is not None or scheduler is not None):
        hint = "--engine" if engine is not None else "--scheduler"
        raise typer.BadParameter("expected together with --parts", param_hint=hint)
    if parts is not None and solver is Solver.LIBXL:
        raise typer.BadParameter("expected with --solver cpsat", param_hint="--parts")
    with progress("reading", quiet=quiet) as tell:
        from placer.report.folder import refuse_unless_replaceable, write_run
        from placer.report.unfinished import Unfinished
        from placer.run import Run
        from placer.solve import SolveOptions, solve

        on = None
        if parts is not None:
            on = engine_of(engine or EngineChoice.THREADS, workers, scheduler)
        if out is not None:
            refuse_unless_replaceable(out)
        warnings: list[Fault] = []
        problem = read_problem(
            domains or [],
            host,
            rebalance=rebalance,
            max_moves=max_moves,
            max_moved_pages=pages_of_gib(max_moved_gib),
            warnings=warnings,
            fallback=fallback,
            ignore_pnodes=ignore_pnodes,
            policy=policy,
            allow_partial=allow_partial,
            cost_slack=slack,
            era="seed" if era is EraChoice.SEED else "upstream",
        )
        clock.note("read")
        options = SolveOptions(
            solver="libxl" if solver is Solver.LIBXL else "cpsat",
            seed=seed,
            workers=workers or 1,
            time_limit=_rest_of(time_limit, clock, problem, writes=out is not None),
            work=work,
            memory_limit=most_memory,
            parts=parts or 1,
        )
        begun = (
            None if out is None else Unfinished(out, problem, warn=lambda it: say_warnings([it]))
        )
        start = _go_on(begun) if resume else None
        tell("solving")
        solution = solve(
            problem,
            options,
            progress=tell,
            engine=on,
            start=start,
            keep=None if begun is None else begun.keep,
        )
        clock.note("solved")
        run = Run(problem=problem, result=solution.result, frames=solution.frames)
        if out is not None:
            tell(f"writing {out}")
            write_run(out, run, log=_log(clock, run, warnings))
        left = None if begun is None else begun.remove()
        if left is not None:
            say_warnings([left])
        tell("writing the answer")
        document = _json(run) if as_json else ""
    if as_json:
        write_out(document)
    else:
        from placer.report.terminal import show_run

        show(lambda stream: show_run(run, solution.score, stream))
    _say_unplaced(solution.result)
    if out is not None and not quiet:
        say(f"wrote {out}")
    raise typer.Exit(exit_code_of(solution.result, solution.score))


def read_problem(
    domain_args: list[str],
    host_args: list[str],
    *,
    warnings: list[Fault],
    rebalance: bool = False,
    max_moves: int | None = None,
    max_moved_pages: int | None = None,
    fallback: bool = False,
    ignore_pnodes: bool = False,
    policy: str | None = None,
    allow_partial: bool = False,
    cost_slack: Fraction | None = None,
    era: Era = "upstream",
) -> Problem:
    """Read all arguments; say the warnings first, then raise every fault of all of them."""
    from fractions import Fraction

    from placer.errors import InputError
    from placer.problem import Problem, join_groups
    from placer.read.domains_toml import DomainSet
    from placer.read.policies import read_policy
    from placer.read.sources import read_domains, read_start

    faults: list[Fault] = []
    domain_set, start, chosen = None, None, None
    try:
        domain_set = DomainSet(domains=())
        if domain_args:
            domain_set = None
            domain_set = read_domains(
                domain_args, fallback=fallback, ignore_pnodes=ignore_pnodes, warnings=warnings
            )
    except InputError as error:
        faults.extend(error.faults)
    try:
        start = read_start(host_args, rebalance=rebalance)
        warnings.extend(start.warnings)
        if not domain_args and not start.current:
            faults.append(_nothing_to_move(host_args))
    except InputError as error:
        faults.extend(error.faults)
    try:
        name = policy or (domain_set and domain_set.policy) or "distance"
        chosen = read_policy(name)
    except InputError as error:
        faults.extend(error.faults)
    say_warnings(warnings)
    if faults or domain_set is None or start is None or chosen is None:
        raise InputError(faults)
    return Problem(
        hosts=start.hosts,
        domains=(*start.domains, *domain_set.domains),
        groups=join_groups(start.groups, domain_set.groups),
        current=start.current,
        max_moves=max_moves,
        max_moved_pages=max_moved_pages,
        policy=chosen,
        allow_partial=allow_partial,
        cost_slack=cost_slack or Fraction(0),
        era=era,
    )


def _rest_of(
    time_limit: float | None, clock: _Clock, problem: Problem, *, writes: bool
) -> float | None:
    """What reading and writing leave of the time limit for the answer, a part in any case."""
    if time_limit is None:
        return None
    after = _SHOWN_SECONDS + _WRITTEN_SECONDS * writes
    rest = time_limit - clock.elapsed - after * len(problem.domains)
    return max(rest, _LEAST_SHARE * time_limit)


def _go_on(begun: Unfinished | None) -> Placement | None:
    """What an earlier solve of the same question has placed, and say so."""
    if begun is None:
        return None
    start, warning = begun.read()
    if warning is not None:
        say_warnings([warning])
    if start is not None:
        placed, of = len(start.domains), len(begun.problem.domains)
        say(f"going on from {placed} of {of} domains placed: {begun.path}")
    return start


def bytes_of(size: str | None) -> int | None:
    """Return the bytes of a size that --memory-limit gives."""
    from placer.units import parse_size

    if size is None:
        return None
    try:
        found = parse_size(size)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--memory-limit") from None
    if found < LEAST_MEMORY:
        told = f"found {size}, expected 256MiB or more: placer alone holds half of that"
        raise typer.BadParameter(told, param_hint="--memory-limit")
    return found


def _nothing_to_move(host_args: list[str]) -> Fault:
    from placer.errors import Fault

    return Fault(
        source=" ".join(host_args),
        field="--rebalance",
        found="no domain that may be moved",
        expected="a finished run as --host, or domains to place",
    )


def pages_of_gib(gib: float | None) -> int | None:
    """Return the whole pages of so many GiB."""
    from math import isfinite

    from placer.units import PAGES_PER_MIB

    if gib is None:
        return None
    if not isfinite(gib):
        raise typer.BadParameter(f"found {gib:g}, expected a number", param_hint="--max-moved-gib")
    return int(gib * 1024 * PAGES_PER_MIB)


def _parse_percent(text: str) -> Fraction:
    """Return the fraction that a percentage such as ``"2.5"`` names."""
    from fractions import Fraction

    if not _PERCENT.fullmatch(text.strip()):
        raise typer.BadParameter(
            f"{text!r} is not a percentage from 0 to 9999", param_hint="--cost-slack"
        )
    return Fraction(text.strip().removesuffix("%")) / 100


def _json(run: Run) -> str:
    from placer.record import format_json
    from placer.report.document import placement_document

    return format_json(placement_document(run))


def _say_unplaced(result: Result) -> None:
    """Write why each domain that was left out has no place, once for all with one reason."""
    if result.placement is None:
        words = "no placement exists" if result.status == "infeasible" else "no answer was found"
        say(f"error: {words}")
    if not result.unplaced:
        return
    from placer.explain.text import list_names

    alike: dict[Refusal, list[str]] = {}
    for refusal in result.unplaced:
        alike.setdefault(replace(refusal, domain=""), []).append(refusal.domain)
    for refusal, names in alike.items():
        say(f"error: {list_names(names)}: not placed: {refusal.reason}")
        certificate = (refusal.certificate,) if refusal.certificate else ()
        for label, texts in (
            ("proven by", certificate),
            ("against it", refusal.binding),
            ("short by", refusal.short_by),
            ("would help", refusal.nearest),
        ):
            if texts:
                say(f"  {label}: {'; '.join(texts)}")


class _Clock:
    """Wall-clock times, which stand in the run log alone."""

    def __init__(self) -> None:
        self.started_at = time.time()
        self._began = self._last = time.monotonic()
        self.seconds: dict[str, float] = {}

    @property
    def elapsed(self) -> float:
        """Seconds since the command began."""
        return time.monotonic() - self._began

    def note(self, step: str) -> None:
        """Keep the seconds since the step before."""
        now = time.monotonic()
        self.seconds[step] = round(now - self._last, 6)
        self._last = now


def _log(clock: _Clock, run: Run, warnings: list[Fault]) -> dict[str, Any]:
    import platform
    from importlib.metadata import version

    from placer import __version__

    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(clock.started_at)),
        "seconds": clock.seconds,
        "level_seconds": {level.name: round(level.seconds, 6) for level in run.result.levels},
        "arguments": sys.argv[1:],
        "versions": {
            "placer": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "ortools", "pandas")},
        },
        "warnings": [str(warning) for warning in warnings],
    }
