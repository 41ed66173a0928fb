"""What tells one question from another: keys to go on by, and random seeds."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from placer.record import plain_values
from placer.scenario import Scenario
from placer.whatif.draft import Base


def digest_of(base: Base) -> str:
    """Return what tells a base from every other."""
    return _digest([plain_values(base.run.problem), plain_values(base.placement)])


def key_of(scenario: Scenario, digest: str, options: Any) -> str:
    """Return what tells a question from every other: name, base, content and how it is solved."""
    return _digest([scenario.name, digest, _content_of(scenario), plain_values(options)])[:16]


def seed_of(scenario: Scenario, seed: int) -> int:
    """Return a random seed of 31 bits that is made of what a scenario asks, not of its name."""
    return int(_digest([seed, _content_of(scenario)])[:8], 16) >> 1


def _content_of(scenario: Scenario) -> list[Any]:
    changes = [[type(change).__name__, plain_values(change)] for change in scenario.changes]
    return [changes, scenario.solve, scenario.max_moves, scenario.max_moved_pages]


def _digest(data: Any) -> str:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
