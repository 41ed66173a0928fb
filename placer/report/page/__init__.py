"""A run as one HTML page that needs nothing beside it: no network, no script to be read."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from placer.arrays import Ints
from placer.explain.text import count_of
from placer.placement import PlacedDomain
from placer.report.compared import summary_lines
from placer.report.document import mean_distance
from placer.report.page.charts import (
    ScenarioBar,
    alone,
    frontier_plot,
    heat_map,
    scenarios_plot,
    use_of_hosts,
)
from placer.report.page.views import (
    LINK_STEPS,
    MOST_LINKED,
    DomainView,
    HostView,
    host_views,
    shares_of_hosts,
    total_cost,
)
from placer.report.tables import LEVEL_UNITS
from placer.run import Run
from placer.units import ORDER_NAMES, format_pages
from placer.whatif.compare import Compared
from placer.whatif.frontier import Point
from placer.whatif.rows import DOMAIN_COLUMNS, SCENARIO_COLUMNS, Cells, losers_of, proof_of

MOST_DETAILED: Final = 3000
"""Up to so many domains each is drawn; more have their row in the table alone."""

MOST_OPEN: Final = 8
"""Up to so many hosts are shown at once; more are opened one by one."""

MOST_ROWS: Final = 5000
_MOST_LOSERS: Final = 1000
_MOST_MAPS: Final = 24


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What goes onto a page beside the run itself; empty for nothing.

    ``before`` and ``compared`` are another run's name and the domains of both; ``scenarios`` the
    rows of whatif.csv, ``scenario_domains`` those of whatif_domains.csv, ``points`` the curve of
    frontier.csv.
    """

    before: str = ""
    before_run: Run | None = None
    compared: Sequence[Compared] = ()
    scenarios: Sequence[Cells] = ()
    scenario_domains: Sequence[Cells] = ()
    points: Sequence[Point] = ()


def render_page(run: Run, title: str, shown: Shown | None = None) -> str:
    """Return the page of ``run``: equal runs have equal pages. All names are escaped."""
    extra = shown or Shown()
    hosts = list(host_views(run))
    domains = [domain for host in hosts for domain in host.domains]
    script, style = _resource("report.js"), _resource("report.css")
    parts: dict[str, Any] = {
        "comparison": _comparison(run, extra),
        "levels": list(_levels(run)),
        "unplaced": run.result.unplaced[:MOST_ROWS],
        "hosts": hosts,
        "maps": list(_maps(run)),
        "domains": domains[:MOST_ROWS],
        "sizes": list(_sizes(domains)),
        "moves": [_move(move) for move in run.result.moves[:MOST_ROWS]],
        "whatif": _whatif(extra),
    }
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            title=title,
            subtitle=_subtitle(run),
            tiles=list(_tiles(run, hosts)),
            sections=[(name, label) for name, label in _SECTIONS if parts.get(_PART[name])],
            use=Markup(use_of_hosts(*shares_of_hosts(run))),
            open=len(hosts) <= MOST_OPEN,
            detailed=len(domains) <= MOST_DETAILED,
            most_detailed=MOST_DETAILED,
            most_linked=MOST_LINKED,
            steps=list(_steps()),
            unplaced_more=len(run.result.unplaced[MOST_ROWS:]),
            domains_more=len(domains[MOST_ROWS:]),
            moves_more=len(run.result.moves[MOST_ROWS:]),
            maps_more=len(_matrices(run)) - len(parts["maps"]),
            style=Markup(style),
            script=Markup(script),
            script_hash=_hash(script),
            version=_version(),
            **parts,
        )
    )


_SECTIONS: Final = (
    ("comparison", "Comparison"),
    ("levels", "Levels"),
    ("unplaced", "Not placed"),
    ("fleet", "Fleet"),
    ("distances", "Distances"),
    ("domains", "Domains"),
    ("pages", "Page sizes"),
    ("moves", "Moves"),
    ("whatif", "What if"),
)
_PART: Final = {name: name for name, _ in _SECTIONS} | {
    "fleet": "hosts",
    "distances": "maps",
    "pages": "sizes",
}


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("placer.report", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _resource(name: str) -> str:
    return files("placer.report.page").joinpath(name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _version() -> str:
    from placer import __version__

    return __version__


def _subtitle(run: Run) -> str:
    problem, result = run.problem, run.result
    words = {
        "optimal": "proven optimal",
        "feasible": "not proven optimal",
        "infeasible": "proven impossible",
        "unknown": "no answer",
    }
    domains = count_of(len(problem.domains), "domain")
    hosts = count_of(len(problem.hosts), "host")
    return f"{domains} on {hosts}, policy {problem.policy.name}: {words[result.status]}"


def _steps() -> Iterator[tuple[int, int | None]]:
    """The distances that each colour of arcs beyond the first stands for."""
    ends: list[int | None] = [*LINK_STEPS[1:], None]
    for low, high in zip(LINK_STEPS, ends, strict=True):
        yield low + 1, high


@dataclass(frozen=True, slots=True)
class _Tile:
    value: str
    label: str
    mood: str = ""


def _tiles(run: Run, hosts: Sequence[HostView]) -> Iterator[_Tile]:
    placed, asked = len(run.placed), len(run.problem.domains)
    yield _Tile(f"{placed} of {asked}", "domains placed", "good" if placed == asked else "bad")
    vcpus = sum(len(one.vcpu_to_vnode) for one in run.placed)
    if vcpus:
        mean = mean_distance(total_cost(run), vcpus)
        yield _Tile(f"{mean:.2f}", "mean access distance (10 is all local)")
    cost = next((level for level in run.result.levels if level.name == "cost"), None)
    if cost is not None:
        proven = cost.value == cost.bound
        gap = "proven" if proven else f"{100 * cost.gap:.2g} %"
        yield _Tile(gap, "least cost" if proven else "gap of the cost", "good" if proven else "")
    used = len({one.host for one in run.placed})
    yield _Tile(f"{used} of {len(hosts)}", "hosts used")
    total = sum(int(host.total_pages.sum()) for host in run.problem.hosts)
    yield _Tile(format_pages(total), "memory in all")
    if run.result.moves:
        moved = len({move.domain for move in run.result.moves if move.pages})
        yield _Tile(str(moved), "domains moved")


def _levels(run: Run) -> Iterator[dict[str, Any]]:
    for level in run.result.levels:
        proven = level.value == level.bound
        yield {
            "name": level.name,
            "unit": LEVEL_UNITS.get(level.name, ""),
            "value": level.value,
            "bound": level.bound,
            "gap": "0" if proven else f"{100 * level.gap:.3g} %",
            "status": level.status,
            "proven": proven,
        }


def _matrices(run: Run) -> dict[bytes, tuple[Ints, list[str]]]:
    """Each matrix of several pnodes with the names of the hosts that have it."""
    found: dict[bytes, tuple[Ints, list[str]]] = {}
    for host in run.problem.hosts:
        if host.num_pnodes > 1:
            _, names = found.setdefault(host.distances.tobytes(), (host.distances, []))
            names.append(host.name)
    return found


def _maps(run: Run) -> Iterator[dict[str, Any]]:
    """A heat map for each matrix, as many as are drawn."""
    for number, (matrix, names) in enumerate(list(_matrices(run).values())[:_MOST_MAPS]):
        more = f" and {len(names) - 4} more" if len(names) > 4 else ""
        told = ", ".join(names[:4]) + more
        yield {
            "svg": Markup(heat_map(matrix, f"Distances of {told}", f"map{number}")),
            "hosts": told,
        }


def _sizes(domains: Sequence[DomainView]) -> Iterator[dict[str, str | int]]:
    counts: Counter[str] = Counter()
    for domain in domains:
        for name, count in domain.sizes:
            counts[name] += count
    pages = {name: counts[name] << order for order, name in ORDER_NAMES.items()}
    whole = sum(pages.values())
    for name in ORDER_NAMES.values() if whole else ():
        yield {
            "name": f"{name[:-3]} {name[-3:]}",
            "count": counts[name],
            "memory": format_pages(pages[name]) if counts[name] else "",
            "share": f"{100 * pages[name] / whole:.1f} %",
        }


def _move(move: Any) -> dict[str, Any]:
    return {
        "step": move.step,
        "kind": move.kind,
        "domain": move.domain,
        "from_host": _where(move.from_host, move.from_homes),
        "to_host": _where(move.to_host, move.to_homes),
        "pages": move.pages,
        "memory": format_pages(move.pages) if move.pages else "",
    }


def _where(host: str | None, homes: Sequence[int]) -> str:
    return "" if host is None else f"{host}: {' '.join(map(str, homes))}"


def _placed_at(placed: PlacedDomain | None) -> str:
    return "" if placed is None else _where(placed.host, placed.home.tolist())


def _comparison(run: Run, shown: Shown) -> dict[str, Any] | None:
    if shown.before_run is None:
        return None
    other = [row for row in shown.compared if row.difference != "same"]
    return {
        "name": shown.before,
        "lines": summary_lines(shown.before_run, run, shown.compared, (shown.before, "this run")),
        "more": max(0, len(other) - MOST_ROWS),
        "rows": [
            {
                "domain": row.domain,
                "difference": row.difference,
                "a": _placed_at(row.placed_a),
                "b": _placed_at(row.placed_b),
                "pages": row.moved_pages,
                "moved": format_pages(row.moved_pages) if row.moved_pages else "",
                "mean_a": "" if row.mean_a is None else f"{row.mean_a:.2f}",
                "mean_b": "" if row.mean_b is None else f"{row.mean_b:.2f}",
            }
            for row in other[:MOST_ROWS]
        ],
    }


def pictures(run: Run, shown: Shown | None = None) -> dict[str, str]:
    """Return the charts of the page as SVG files by name."""
    extra = shown or Shown()
    found = {"hosts.svg": use_of_hosts(*shares_of_hosts(run))}
    found.update((f"distances-{n}.svg", str(one["svg"])) for n, one in enumerate(_maps(run)))
    if extra.scenarios:
        found["scenarios.svg"] = _scenarios_chart(extra.scenarios)
    if len(extra.points) > 1:
        found["frontier.svg"] = frontier_plot(extra.points)
    return {name: alone(chart) for name, chart in found.items()}


def _scenarios_chart(rows: Sequence[Cells]) -> str:
    cells = [dict(zip(SCENARIO_COLUMNS, row, strict=True)) for row in rows]
    return scenarios_plot([_bar(cell) for cell in cells])


def _bar(cell: dict[str, str]) -> ScenarioBar:
    if cell["status"] == "failed":
        return ScenarioBar(name=cell["scenario"], failed=True)
    mean = cell["mean_access_distance_slit"]
    return ScenarioBar(
        name=cell["scenario"],
        left_out=int(cell["num_unplaced"]) + int(cell["num_lost"]),
        moved=int(cell["num_moved"]),
        mean=float(mean) if mean else None,
    )


def _whatif(shown: Shown) -> dict[str, Any] | None:
    if not shown.scenarios:
        return None
    cells = [dict(zip(SCENARIO_COLUMNS, row, strict=True)) for row in shown.scenarios]
    base = int(cells[0]["cost_slit_per_640000"] or 0)
    losers = [
        dict(zip(DOMAIN_COLUMNS, row, strict=True)) for row in losers_of(shown.scenario_domains)
    ]
    return {
        "frontier": Markup(frontier_plot(shown.points)) if len(shown.points) > 1 else "",
        "chart": Markup(_scenarios_chart(shown.scenarios)),
        "rows": [
            {**_scenario(cell, base), "gap": proof_of(row)}
            for row, cell in zip(shown.scenarios[:MOST_ROWS], cells, strict=False)
        ],
        "more": max(0, len(cells) - MOST_ROWS),
        "losers": losers[:_MOST_LOSERS],
        "losers_more": len(losers[_MOST_LOSERS:]),
    }


def _scenario(cell: dict[str, str], base: int) -> dict[str, Any]:
    if cell["status"] == "failed":
        return {"scenario": cell["scenario"], "failed": True, "reason": cell["reason"]}
    cost = int(cell["cost_slit_per_640000"])
    mean, gap = cell["mean_access_distance_slit"], cell["cost_gap"]
    return {
        "scenario": cell["scenario"],
        "failed": False,
        "status": cell["status"],
        "placed": cell["num_placed"],
        "unplaced": cell["num_unplaced"],
        "lost": cell["num_lost"],
        "moved": cell["num_moved"],
        "moved_pages": cell["moved_pages"],
        "memory": format_pages(int(cell["moved_pages"])) if cell["moved_pages"] != "0" else "",
        "mean": f"{float(mean):.2f}" if mean else "",
        "cost": cost,
        "change": f"{100 * (cost - base) / base:+.1f} %" if base else "",
        "gap_value": "0" if cell["status"] == "optimal" else gap or "1",
        "usable": cell["usable_pages"],
        "free": format_pages(int(cell["usable_pages"])),
        "largest_pages": cell["largest_vnode_pages"],
        "largest": format_pages(int(cell["largest_vnode_pages"])),
    }
