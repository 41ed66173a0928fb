"""Questions that take long, for limits to end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from benchmarks.fleet_instance import read_instance
from benchmarks.parts import make_batch
from placer.problem import Problem
from placer.read.policies import read_policy
from tests.quadratic.large_domains import draw_large


@cache
def _fleet(root: Path) -> Problem:
    return read_instance(root / "datasets" / "fleet" / "1000x100-97-domains.toml")


@cache
def _batch(root: Path) -> Problem:
    del root
    return make_batch(200, 20, 0.85, 1)


def _whole_batch(root: Path) -> Problem:
    return replace(_batch(root), allow_partial=False)


@cache
def _spread(root: Path) -> Problem:
    del root
    return replace(make_batch(80, 8, 0.9, 3), policy=read_policy("spread"))


def _wide(root: Path) -> Problem:
    del root
    return draw_large(5)


QUESTIONS: dict[str, Callable[[Path], Problem]] = {
    "a fleet of 1,000 domains, full": _fleet,
    "a batch with groups and spilled memory": _batch,
    "the same, all to be placed": _whole_batch,
    "a batch to be spread": _spread,
    "one wide domain": _wide,
}
