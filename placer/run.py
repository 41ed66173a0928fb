"""A finished run: a problem, its answer and the frames, and the folder that holds them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from placer.arrays import Ints
from placer.aside import restore_folder
from placer.domain import Domain
from placer.errors import Fault, InputError, RefusedError
from placer.frames import (
    GUEST_FRAME,
    GUEST_STEP,
    MACHINE_FRAME,
    MAX_FRAME,
    NUM_EXTENTS,
    ORDER,
    OUTSIDE,
    PNODE,
    VNODE,
    DomainFrames,
)
from placer.host import Host, RunningDomain
from placer.placement import PlacedDomain, Placement, by_host
from placer.problem import Group, Problem, Running, as_running, join_groups
from placer.record import parse_json, restore_frames, restore_problem, restore_result
from placer.result import Result
from placer.spans import merge, subtract
from placer.sums import parse_sums, sum_of
from placer.text_file import decode_text, is_file, is_folder, read_bytes, read_text
from placer.units import ORDER_NAMES

PROBLEM_FILE: Final = "problem.json"
RESULT_FILE: Final = "result.json"
FRAMES_FILE: Final = "frames.json"
PLACEMENT_FILE: Final = "placement.json"
LOG_FILE: Final = "run-log.json"
SUMS_FILE: Final = "SHA256SUMS"
"""The SHA-256 sum of each of the other files, as ``sha256sum`` writes and checks it."""

CSV_NAMES: Final = (
    "placements",
    "vcpus",
    "pnodes",
    "distances",
    "pages",
    "domains",
    "summary",
    "unplaced",
    "moves",
)
RUN_FILES: Final = frozenset(
    {
        PROBLEM_FILE,
        RESULT_FILE,
        FRAMES_FILE,
        PLACEMENT_FILE,
        LOG_FILE,
        SUMS_FILE,
        *(f"{name}.csv" for name in CSV_NAMES),
    }
)
"""Every file of a run folder."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What was asked, what was answered, and the machine frames of each placed domain.

    ``problem`` and ``result`` are those of `place`. ``frames`` follows the placement's order.
    It is empty where there is no placement, and where libxl's rule chose one that the heap
    cannot give.
    """

    problem: Problem
    result: Result
    frames: tuple[DomainFrames, ...] = ()

    @property
    def placed(self) -> tuple[PlacedDomain, ...]:
        """The placed domains, in the problem's order; none where there is no placement."""
        return () if self.result.placement is None else self.result.placement.domains

    def domain(self, name: str) -> Domain:
        """Return the domain named ``name``; KeyError where the problem has none."""
        return self.problem.domains[self.problem.domain_index[name]]

    def host(self, name: str) -> Host:
        """Return the host named ``name``; KeyError where the problem has none."""
        return self.problem.hosts[self.problem.host_index[name]]

    def frames_of(self, name: str) -> DomainFrames:
        """Return the frames of the domain named ``name``; KeyError where it has none."""
        return self._frames_by_name[name]

    @cached_property
    def _frames_by_name(self) -> dict[str, DomainFrames]:
        return {frames.domain: frames for frames in self.frames}

    @cached_property
    def placed_by_name(self) -> dict[str, PlacedDomain]:
        """The placed domains by name, in the problem's order."""
        return {placed.domain: placed for placed in self.placed}

    @cached_property
    def placed_on(self) -> dict[str, list[PlacedDomain]]:
        """The placed domains of each host that has any, by its name."""
        return by_host(self.placed)


def only_placed(run: Run) -> str:
    """Return the name of the only placed domain; RefusedError where there are more or none."""
    names = [placed.domain for placed in run.placed]
    if len(names) != 1:
        listed = ", ".join(map(repr, names)) or "none"
        raise RefusedError(f"--domain is needed, {len(names)} domains are placed: {listed}")
    return names[0]


def realised_frames(run: Run, domain: str) -> DomainFrames:
    """Return the frames of ``domain``; RefusedError where it is not placed or not realised."""
    names = [placed.domain for placed in run.placed]
    if domain not in names:
        listed = ", ".join(map(repr, names)) or "none"
        raise RefusedError(f"domain {domain!r} is not placed in this run; placed are: {listed}")
    if not run.frames:
        raise RefusedError(f"the run has no frames: its placement of {domain!r} was not realised")
    return run.frames_of(domain)


@dataclass(frozen=True, kw_only=True)
class Movable:
    """What a run leaves, with its placed domains free to be moved (``Problem.current``).

    ``hosts`` are those of the run, in which what the domains hold is free; ``domains`` are
    as they run, their vnodes and vcpu maps given; ``groups`` those that they are in;
    ``current`` is where they are.
    """

    hosts: tuple[Host, ...]
    domains: tuple[Domain, ...] = ()
    groups: tuple[Group, ...] = ()
    current: tuple[Running, ...] = ()


def movable_after(run: Run) -> Movable:
    """Return what ``run`` leaves, with every placed domain free to be moved.

    The other way to go on from a run than ``hosts_after``, where they stay. Raises
    InputError where the run has no frames.
    """
    _refuse_without_frames(run)
    domains = tuple(as_running(run.domain(placed.domain), placed) for placed in run.placed)
    used = {name for domain in domains for name in domain.groups}
    return Movable(
        hosts=run.problem.hosts,
        domains=domains,
        groups=tuple(group for group in run.problem.groups if group.name in used),
        current=tuple(
            Running(placed=placed, frames=run.frames_of(placed.domain)) for placed in run.placed
        ),
    )


def allow_moves(problem: Problem, movables: Iterable[Movable], max_moves: int | None) -> Problem:
    """Return ``problem`` with what runs on its hosts free to be moved.

    ``movables`` are of the runs whose hosts, as ``hosts_after`` gives them, ``problem`` was
    made with; the hosts of each take the place of those of their names. With ``max_moves=1``
    it asks whether moving one of them would do. Raises InputError where the two contradict
    one another.
    """
    found = list(movables)
    hosts = {host.name: host for movable in found for host in movable.hosts}
    groups = problem.groups
    for movable in found:
        groups = join_groups(groups, movable.groups)
    return replace(
        problem,
        hosts=tuple(hosts.get(host.name, host) for host in problem.hosts),
        domains=(*(d for movable in found for d in movable.domains), *problem.domains),
        groups=groups,
        current=(*problem.current, *(r for movable in found for r in movable.current)),
        max_moves=max_moves,
    )


def is_run(folder: Path) -> bool:
    """Return whether ``folder`` is a folder that holds a run's own records.

    A run that a killed process had put aside has its name again first; InputError where it
    cannot have that.
    """
    if not os.path.lexists(folder):
        try:
            restore_folder(folder)
        except OSError as error:
            raise InputError(
                Fault(
                    source=str(folder),
                    field="run",
                    found=f"it put aside as {error.filename}",
                    expected="it to be renamed, but: " + (error.strerror or "").lower(),
                )
            ) from error
    return is_folder(folder) and all(
        is_file(folder / name) for name in (PROBLEM_FILE, RESULT_FILE, FRAMES_FILE, PLACEMENT_FILE)
    )


def read_run(folder: str | Path, *, warnings: list[Fault] | None = None) -> Run:
    """Return the run that ``folder`` holds.

    Reads problem.json, result.json and frames.json alone, which have to be what SHA256SUMS
    says; where that is not there, a warning is appended to ``warnings``. Raises InputError
    with every fault where the folder is no run, a file was edited or is damaged, or the files
    contradict one another. Whether the answer is right is the checker's question.
    """
    folder = Path(folder)
    run = read_records(folder, sums=True)
    if faults := list(contradictions(folder, run)):
        raise InputError(faults)
    if warnings is not None and not os.path.lexists(folder / SUMS_FILE):
        expected = "it, since edits cannot be told without; `placer check` recomputes the run"
        warnings.append(
            Fault(source=str(folder), field=SUMS_FILE, found="no such file", expected=expected)
        )
    return run


def read_records(folder: Path, *, sums: bool) -> Run:
    """Return what problem.json, result.json and frames.json of a run's folder say.

    With ``sums`` they are held against SHA256SUMS, where that is there. Raises InputError
    where the folder is no run, or a file is edited or damaged.
    """
    if not is_run(folder):
        found = "a folder without a run" if is_folder(folder) else "no such folder"
        raise InputError(
            Fault(
                source=str(folder),
                field="run",
                found=found,
                expected="a folder that `placer place --out` wrote",
            )
        )
    faults: list[Fault] = []
    values: list[Any] = []
    written = read_sums(folder) if sums else None
    for name, restore in (
        (PROBLEM_FILE, restore_problem),
        (RESULT_FILE, restore_result),
        (FRAMES_FILE, restore_frames),
    ):
        path = folder / name
        try:
            data = read_bytes(path)
            if written is not None and written.get(name) != sum_of(data):
                faults.append(_edited(path))
            else:
                text = decode_text(data, path)
                values.append(restore(parse_json(text, str(path)), str(path)))
        except InputError as error:
            faults.extend(error.faults)
    if faults:
        raise InputError(faults)
    problem, result, frames = values
    return Run(problem=problem, result=result, frames=frames)


def read_sums(folder: Path) -> dict[str, str] | None:
    """Return what SHA256SUMS of a run says, by the names of the files; None where it is absent.

    Raises InputError where it cannot be read or says something else.
    """
    path = folder / SUMS_FILE
    if not os.path.lexists(path):
        return None
    return parse_sums(read_text(path), str(path))


def _edited(path: Path) -> Fault:
    return Fault(
        source=str(path),
        field="SHA-256",
        found="a file that was changed after the run was written",
        expected=f"what {SUMS_FILE} says; `placer check` tells more",
    )


def contradictions(folder: Path, run: Run) -> Iterator[Fault]:
    """Yield what no reader of the run in ``folder`` could work with: shapes and ranges."""
    for name, field, found, expected in _contradictions(run):
        yield Fault(source=str(folder / name), field=field, found=found, expected=expected)


def hosts_after(run: Run) -> tuple[Host, ...]:
    """Return the hosts as ``run`` leaves them: the next starting state.

    Placed domains have become running ones. Their frames are no longer free, nor are the
    pages that the toolstack needs beside them, which are taken from the highest free
    frames of the home pnode of vnode 0, or of others where it has too few. Raises InputError
    where the run has no frames or they do not lie in the hosts' free memory.
    """
    _refuse_without_frames(run)
    after = []
    for host in run.problem.hosts:
        placed = run.placed_on.get(host.name, [])
        after.append(_host_after(run, host, placed) if placed else host)
    return tuple(after)


def _refuse_without_frames(run: Run) -> None:
    if run.placed and not run.frames:
        raise InputError(
            Fault(
                source=FRAMES_FILE,
                field="domains",
                found="no frames",
                expected="the frames of the placed domains",
            )
        )


def _host_after(run: Run, host: Host, placed: list[PlacedDomain]) -> Host:
    spans = _without_frames(host, [run.frames_of(domain.domain) for domain in placed])
    overhead = ((answer, run.domain(answer.domain).overhead_pages) for answer in placed)
    spans = _without_overhead(host, spans, overhead)
    running = list(host.running)
    for answer in placed:
        domain = run.domain(answer.domain)
        pages = run.frames_of(answer.domain).pages_on(answer.num_vnodes, host.num_pnodes)
        vcpus_on = np.bincount(answer.vcpu_to_pnode, minlength=host.num_pnodes)
        own = (*answer.vcpu_to_pcpu.tolist(), *answer.empty_siblings) if domain.dedicated else ()
        running.append(
            RunningDomain(
                name=domain.name,
                pages=pages.sum(axis=0),
                vcpus_on=np.zeros_like(vcpus_on) if domain.dedicated else vcpus_on,
                dedicated_pcpus=tuple(sorted(set(own))),
            )
        )
    free = np.bincount(spans[:, 0], weights=spans[:, 2], minlength=host.num_pnodes)
    return replace(host, free_pages=free.astype(np.int64), free_spans=spans, running=tuple(running))


def _without_frames(host: Host, held: list[DomainFrames]) -> Ints:
    """Return the free spans of a host without the frames of some domains."""
    runs = np.concatenate([frames.runs for frames in held])
    pages = np.concatenate([frames.run_pages for frames in held])
    found = []
    for pnode in range(host.num_pnodes):
        mine = host.free_spans[host.free_spans[:, 0] == pnode, 1:]
        here = runs[:, PNODE] == pnode
        taken = np.stack([runs[here, MACHINE_FRAME], pages[here]], axis=1)
        try:
            left = subtract(merge(mine), merge(taken)) if len(taken) else mine
        except ValueError as error:
            raise _frames_not_free(host, str(error)) from error
        found.append(np.insert(left, 0, pnode, axis=1))
    rows = np.concatenate(found)
    return np.asarray(rows[np.argsort(rows[:, 1], kind="stable")], dtype=np.int64)


def _frames_not_free(host: Host, found: str) -> InputError:
    return InputError(
        Fault(
            source=FRAMES_FILE,
            field=f"host {host.name}",
            found=f"frames that are not in its free memory: {found}",
            expected="each page of the placed domains in a free frame of its own",
        )
    )


def _without_overhead(host: Host, spans: Ints, running: Iterable[tuple[PlacedDomain, int]]) -> Ints:
    """Return free spans without the toolstack's pages, so many for each placed domain.

    They are the highest free frames of the home of vnode 0; where pages that name no pnode have
    taken its last ones, of the lowest pnodes that have some.
    """
    left = spans[:, 2].copy()
    for answer, wanted in running:
        pages = wanted
        home = int(answer.home[0])
        for pnode in (home, *(other for other in range(host.num_pnodes) if other != home)):
            for index in np.flatnonzero(spans[:, 0] == pnode)[::-1].tolist():
                cut = min(int(left[index]), pages)
                left[index] -= cut
                pages -= cut
                if not pages:
                    break
            if not pages:
                break
        if pages:
            raise _frames_not_free(host, f"{pages} pages too few for {answer.domain}'s overhead")
    kept = np.stack([spans[:, 0], spans[:, 1], left], axis=1)
    return np.asarray(kept[left > 0], dtype=np.int64)


def _contradictions(run: Run) -> Iterator[tuple[str, str, str, str]]:
    """Yield (file, field, found, expected) for each thing that no reader could work with."""
    placements: list[tuple[str, Placement]] = []
    if run.result.placement is not None:
        placements.append(("placement", run.result.placement))
    for number, baseline in enumerate(run.result.baselines):
        placements.append((f"baselines[{number}].placement", baseline.placement))
    for field, placement in placements:
        for index, placed in enumerate(placement.domains):
            for found, expected in _misfits(run.problem, placed):
                yield RESULT_FILE, f"{field}.domains[{index}]", found, expected
    expected_names = [placed.domain for placed in run.placed]
    are_placed = set(expected_names)
    for index, move in enumerate(run.result.moves):
        if move.domain not in are_placed:
            yield RESULT_FILE, f"moves[{index}].domain", repr(move.domain), "a placed domain"
    names = [frames.domain for frames in run.frames]
    if names and names != expected_names:
        yield FRAMES_FILE, "domains", repr(names), f"the placed domains {expected_names!r}"
        return
    for index, (frames, placed) in enumerate(zip(run.frames, run.placed, strict=bool(names))):
        if placed.host not in run.problem.host_index or frames.host != placed.host:
            yield FRAMES_FILE, f"domains[{index}].host", repr(frames.host), repr(placed.host)
            continue
        for found, expected in _misfit_runs(frames.runs, placed, run.host(placed.host).num_pnodes):
            yield FRAMES_FILE, f"domains[{index}].runs", found, expected


def _misfit_runs(runs: Ints, placed: PlacedDomain, num_pnodes: int) -> Iterator[tuple[str, str]]:
    """Yield (found, expected) for each column of frames that is out of range."""
    for name, column, least, most in (
        ("vnode", VNODE, 0, placed.num_vnodes - 1),
        ("pnode", PNODE, 0, num_pnodes - 1),
        ("guest frame", GUEST_FRAME, OUTSIDE, MAX_FRAME),
        ("machine frame", MACHINE_FRAME, 0, MAX_FRAME),
        ("number of extents", NUM_EXTENTS, 1, MAX_FRAME),
        ("guest step", GUEST_STEP, 1, MAX_FRAME),
    ):
        wrong = runs[(runs[:, column] < least) | (runs[:, column] > most), column]
        if len(wrong):
            yield f"{name} {wrong[0]}", f"{least} to {most}"
    orders = runs[~np.isin(runs[:, ORDER], list(ORDER_NAMES)), ORDER]
    if len(orders):
        yield f"order {orders[0]}", f"one of {sorted(ORDER_NAMES)}"


def _misfits(problem: Problem, placed: PlacedDomain) -> Iterator[tuple[str, str]]:
    """Yield (found, expected) where the shapes of ``placed`` are not those of the problem."""
    if placed.domain not in problem.domain_index:
        yield f"domain {placed.domain!r}", "a domain of the problem"
        return
    if placed.host not in problem.host_index:
        yield f"host {placed.host!r}", "a host of the problem"
        return
    domain = problem.domains[problem.domain_index[placed.domain]]
    num_pnodes = problem.hosts[problem.host_index[placed.host]].num_pnodes
    shape = (placed.num_vnodes, num_pnodes)
    if placed.pages.shape != shape or placed.vnode_pages.shape != shape[:1]:
        yield f"pages of shape {placed.pages.shape}", f"{shape}"
    if not domain.auto_vnodes and placed.num_vnodes != domain.num_vnodes:
        yield f"{placed.num_vnodes} vnodes", f"{domain.num_vnodes}"
    for name, values, most in (
        ("home", placed.home, num_pnodes),
        ("vcpu_to_vnode", placed.vcpu_to_vnode, placed.num_vnodes),
        ("vcpu_to_pnode", placed.vcpu_to_pnode, num_pnodes),
    ):
        if ((values < 0) | (values >= most)).any():
            yield f"{name} out of range", f"0 to {most - 1}"
    for name in ("vcpu_to_vnode", "vcpu_to_pnode", "vcpu_to_pcpu"):
        count = len(getattr(placed, name))
        if count != domain.num_vcpus:
            yield f"{name} with {count} entries", f"{domain.num_vcpus}"
