"""Problems with running domains, solved: what moves, in which order, into which frames."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from placer.check import check_placement
from placer.domain import VnodeMemory
from placer.errors import InputError
from placer.fleet.staying import place_beside
from placer.frames import MACHINE_FRAME
from placer.heuristic import libxl
from placer.problem import Problem, Running, as_running
from placer.result import Move
from placer.run import Run, allow_moves, hosts_after, movable_after
from placer.solve import Solution, solve
from tests.builders import make_domain, make_host, make_problem


def rebalanced(run: Run, **fields: Any) -> Problem:
    """The problem of what a run leaves, everything movable."""
    found = movable_after(run)
    return Problem(
        hosts=found.hosts,
        domains=found.domains,
        groups=found.groups,
        current=found.current,
        **fields,
    )


def run_of(problem: Problem) -> Run:
    solution = solve(problem)
    assert solution.result.placement is not None
    return Run(problem=problem, result=solution.result, frames=solution.frames)


def asking(problem: Problem, pnodes: dict[str, list[int]]) -> Problem:
    """The problem in which running domains ask for pnodes."""
    return replace(
        problem,
        domains=tuple(
            replace(domain, vnode_pnode=np.array(pnodes[domain.name]))
            if domain.name in pnodes
            else domain
            for domain in problem.domains
        ),
    )


@pytest.fixture
def swap() -> tuple[Problem, Solution]:
    """Two domains that fill two pnodes and are to change places."""
    host = make_host([4096, 4096])
    guests = [make_domain([3500], name=name) for name in ("one", "other")]
    problem = asking(rebalanced(run_of(make_problem(host, *guests))), {"one": [1], "other": [0]})
    return problem, solve(problem)


def violations(problem: Problem, solution: Solution, moves: tuple[Move, ...]) -> set[str]:
    placement = solution.result.placement
    assert placement is not None
    return {v.rule for v in check_placement(problem, placement, solution.frames, moves)}


def test_a_live_swap_without_room_names_the_one_that_stops_first(
    swap: tuple[Problem, Solution],
) -> None:
    _, solution = swap
    kinds = [(move.kind, move.domain) for move in solution.result.moves]
    assert kinds == [("stop", "one"), ("live", "other"), ("start", "one")]
    assert solution.result.fewest_stops


def test_the_checker_refuses_each_way_in_which_an_order_can_be_wrong(
    swap: tuple[Problem, Solution],
) -> None:
    problem, solution = swap
    stop, live, start = solution.result.moves
    assert violations(problem, solution, (stop, live, start)) == set()

    def numbered(*moves: Move) -> tuple[Move, ...]:
        return tuple(replace(move, step=n) for n, move in enumerate(moves, start=1))

    both_live = replace(live, domain="one", from_homes=(0,), to_homes=(1,))
    for moves, broken in (
        ((), {"M1 moves"}),
        (numbered(stop, start, live), {"M3 room", "M4 frames"}),
        (numbered(both_live, live), {"M3 room", "M4 frames"}),
        (numbered(stop, live), {"M1 moves"}),
        ((stop, live, replace(start, step=4)), {"M1 moves"}),
        ((stop, replace(live, pages=1), start), {"M1 moves"}),
        ((stop, replace(live, to_homes=(1,)), start), {"M1 moves"}),
        (numbered(stop, live, start, replace(start, domain="nobody")), {"M1 moves"}),
    ):
        assert violations(problem, solution, moves) >= broken, moves
    still = replace(problem, current=())
    assert violations(still, solution, solution.result.moves) == {"M1 moves"}


def test_the_checker_refuses_live_moves_of_a_topology_and_limits_that_are_passed() -> None:
    host = make_host([4096, 4096])
    wide = make_domain([1500, 1500], 2, name="wide")
    problem = asking(rebalanced(run_of(make_problem(host, wide))), {"wide": [0, 1]})
    solution = solve(problem)
    (move,) = solution.result.moves
    assert (move.kind, move.pages) == ("restart", 1500)
    assert "M2 live" in violations(problem, solution, (replace(move, kind="live"),))
    for limit, rule in (({"max_moves": 0}, "C7 moves"), ({"max_moved_pages": 1499}, "C7 pages")):
        assert violations(replace(problem, **limit), solution, (move,)) == {rule}
    assert violations(replace(problem, max_moved_pages=1500), solution, (move,)) == set()


def test_what_runs_is_never_left_out(swap: tuple[Problem, Solution]) -> None:
    host = make_host([4096])
    run = run_of(make_problem(host, make_domain([3000], name="old")))
    new = make_domain([3000], name="new", priority=100)
    problem = rebalanced(run, allow_partial=True)
    solution = solve(replace(problem, domains=(*problem.domains, new)))
    assert solution.result.placement is not None
    assert solution.result.placement.unplaced == ("new",)
    left_out = replace(solution.result.placement, domains=(), unplaced=("old", "new"))
    found = check_placement(replace(problem, domains=(*problem.domains, new)), left_out)
    assert [(v.rule, v.domain) for v in found] == [("D1 left out", "old")]


def test_pages_move_where_the_cost_improves_and_only_as_far_as_the_limit_lets_them() -> None:
    host = make_host([8192, 8192], cpus=8)
    spilled = make_domain([5500, 2000], 2, name="far", vcpu_to_vnode=[0, 1])
    blocker = make_domain([5000], name="blocker")
    problem = make_problem(host, blocker, spilled)
    run = run_of(asking(problem, {"far": [1, 0], "blocker": [0]}))
    free = asking(rebalanced(run), {"far": [-1, -1], "blocker": [-1]})
    best = solve(free)
    levels = {level.name: level.value for level in best.result.levels}
    assert levels["pages_moved"] == 2000
    stays = solve(replace(free, max_moves=0))
    assert stays.result.placement is not None
    assert {level.name: level.value for level in stays.result.levels}["pages_moved"] == 0
    assert best.score is not None
    assert stays.score is not None
    assert best.score.cost < stays.score.cost
    assert len({move.domain for move in best.result.moves if move.pages}) == 1


def test_unmoved_domains_keep_their_frames_and_their_pcpus() -> None:
    host = make_host([9000, 9000], cpus=8)
    guests = [make_domain([1000 + n], 2, name=f"vm{n}", dedicated=n % 2 == 0) for n in range(6)]
    run = run_of(make_problem(host, *guests))
    new = make_domain([3000], 1, name="new", dedicated=True)
    problem = rebalanced(run)
    solution = solve(replace(problem, domains=(new, *problem.domains)))
    assert solution.result.placement is not None
    assert [move.kind for move in solution.result.moves] == ["start"]
    for placed in run.placed:
        after = solution.result.placement.of(placed.domain)
        assert after == placed
    frames = {frame.domain: frame for frame in solution.frames}
    assert all(frames[frame.domain] == frame for frame in run.frames)
    changed = replace(frames["vm0"], runs=frames["vm0"].runs - [0, 0, 0, 0, 1, 0, 0])
    swapped = tuple(changed if f.domain == "vm0" else f for f in solution.frames)
    given = replace(problem, domains=(new, *problem.domains))
    found = check_placement(given, solution.result.placement, swapped, solution.result.moves)
    assert "M4 frames" in {violation.rule for violation in found}


def test_a_live_move_takes_frames_beside_its_own_and_a_restart_may_take_them_again() -> None:
    host = make_host([4096])
    memory = (VnodeMemory(policy="preferred"),)
    two = make_host([4096, 4096])
    run = run_of(make_problem(two, make_domain([1024], name="vm", memory=memory)))
    (before,) = run.frames
    solution = solve(asking(rebalanced(run), {"vm": [1]}))
    (after,) = solution.frames
    assert [move.kind for move in solution.result.moves] == ["live"]
    assert not set(before.runs[:, MACHINE_FRAME]) & set(after.runs[:, MACHINE_FRAME])
    assert host.num_pnodes == 1


def test_frames_of_what_runs_are_free_memory_of_its_host() -> None:
    host = make_host([4096, 4096])
    run = run_of(make_problem(host, make_domain([1000], name="vm")))
    problem = rebalanced(run)
    (running,) = problem.current
    assert running.frames is not None
    runs = running.frames.runs.copy()
    runs[:, MACHINE_FRAME] += 1 << 22
    wrong = Running(placed=running.placed, frames=replace(running.frames, runs=runs))
    with pytest.raises(InputError, match="frames that are not there"):
        solve(replace(problem, current=(wrong,)))


def test_auto_vnodes_become_those_that_were_chosen() -> None:
    host = make_host([4096, 4096], cpus=4)
    auto = make_domain([6000], 4, name="auto", auto_vnodes=True)
    run = run_of(make_problem(host, auto))
    problem = rebalanced(run)
    (domain,) = problem.domains
    assert not domain.auto_vnodes
    assert domain.vnode_pages.tolist() == run.placed[0].vnode_pages.tolist()
    assert domain.vcpu_to_vnode is not None
    assert domain.vcpu_to_vnode.tolist() == run.placed[0].vcpu_to_vnode.tolist()
    assert as_running(domain, run.placed[0]) == domain
    assert solve(problem).result.moves == ()


def test_one_move_allowed_is_asked_for_in_a_call() -> None:
    """An explanation asks whether it fits after moving one of those that run."""
    host = make_host([4096, 4096, 4096])
    small = [make_domain([1500], name=name) for name in ("a", "b", "c")]
    run = run_of(asking(make_problem(host, *small), {"a": [0], "b": [1], "c": [2]}))
    kept = make_problem(hosts_after(run), make_domain([3500], name="new"))
    assert solve(kept).result.status == "infeasible"
    solution = solve(
        asking(allow_moves(kept, [movable_after(run)], 1), {n: [-1] for n in ("a", "b", "c")})
    )
    assert solution.result.placement is not None
    assert len({move.domain for move in solution.result.moves if move.pages}) == 1


def test_rules_of_thumb_leave_what_runs_where_it_is() -> None:
    host = make_host([4096, 4096])
    run = run_of(asking(make_problem(host, make_domain([3000], name="old")), {"old": [1]}))
    problem = rebalanced(run)
    new = make_domain([3000], name="new")
    placement = place_beside(replace(problem, domains=(*problem.domains, new)), libxl.place)
    assert placement.of("old") == run.placed[0]
    assert placement.of("new").home.tolist() == [0]
    assert place_beside(problem, libxl.place).domains == run.placed


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: {"current": (r, r)}, "2 places of 'vm'"),
        (lambda r: {"current": (), "max_moves": -1}, "max_moves: found -1"),
        (lambda r: {"max_moved_pages": -5}, "max_moved_pages: found -5"),
        (
            lambda r: {"current": (replace(r, placed=replace(r.placed, host="else")),)},
            "host 'else'",
        ),
        (
            lambda r: {"current": (replace(r, placed=replace(r.placed, domain="who")),)},
            "current who: found no domain",
        ),
        (
            lambda r: {"current": (replace(r, placed=replace(r.placed, home=np.array([7]))),)},
            "home out of range",
        ),
        (
            lambda r: {
                "current": (replace(r, placed=replace(r.placed, pages=r.placed.pages + 1)),)
            },
            "pages that are not those of its vnodes",
        ),
        (
            lambda r: {
                "current": (replace(r, placed=replace(r.placed, vcpu_to_pcpu=np.array([99]))),)
            },
            "a pcpu that is not there",
        ),
        (
            lambda r: {"current": (replace(r, frames=replace(r.frames, host="h")),)},
            "frames of vm on h",
        ),
    ],
)
def test_a_running_domain_that_contradicts_its_domain_is_a_fault(
    change: object, words: str
) -> None:
    host = make_host([4096, 4096])
    problem = rebalanced(run_of(make_problem(host, make_domain([1000], name="vm"))))
    assert callable(change)
    with pytest.raises(InputError) as caught:
        replace(problem, **change(problem.current[0]))
    assert words in str(caught.value)


def test_a_running_domain_is_given_with_its_vnodes_and_its_map() -> None:
    host = make_host([4096, 4096])
    run = run_of(make_problem(host, make_domain([1000], 2, name="vm")))
    current = (Running(placed=run.placed[0]),)
    with pytest.raises(InputError, match="another vcpu map"):
        make_problem(host, make_domain([1000], 2, name="vm"), current=current)
    with pytest.raises(InputError, match="the vnodes that it runs with"):
        make_problem(host, make_domain([1000], 2, name="vm", auto_vnodes=True), current=current)
