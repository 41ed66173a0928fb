"""The HTML page of a run: complete by itself, safe, and small enough."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from defusedxml.ElementTree import fromstring

from placer.report.page import MOST_OPEN, Shown, render_page
from placer.report.page.charts import (
    ScenarioBar,
    alone,
    frontier_plot,
    heat_map,
    scenarios_plot,
    use_of_hosts,
)
from placer.report.page.views import host_views
from placer.whatif.compare import compare_runs
from placer.whatif.frontier import Point
from placer.whatif.rows import base_rows
from tests import sample_runs
from tests.report.pages import EVIL, named_evil, thousand, with_scenarios
from tests.whatif.bases import QUICK, three_hosts

MB = 1_000_000
VOID = {"meta", "br", "input", "link", "img", "hr"}


class Reader(HTMLParser):
    """The elements and the text of a page; every element is closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.text.append(data)

    def attributes(self, name: str) -> list[str]:
        """Every value of an attribute."""
        return [value for _, own in self.found if (value := own.get(name)) is not None]


def read(page: str) -> Reader:
    return Reader(page)


@pytest.mark.parametrize(
    "run",
    [
        sample_runs.rcbig,
        sample_runs.partial,
        sample_runs.impossible,
        sample_runs.spilled,
        sample_runs.unrealised,
        named_evil,
    ],
)
def test_a_page_is_well_formed_and_needs_nothing_beside_it(run: object) -> None:
    page = render_page(run(), "a run")  # type: ignore[operator]
    reader = read(page)
    assert not re.search(r"https?://(?!www\.w3\.org/)", page)
    assert not {tag for tag, _ in reader.found} & {"link", "img", "iframe", "object", "base"}
    assert [own for tag, own in reader.found if tag == "script"] == [{}]
    assert not reader.attributes("src")
    assert all(target.startswith("#") for target in reader.attributes("href"))
    anchors = reader.attributes("id")
    assert len(set(anchors)) == len(anchors)
    targets = {target[1:] for tag, own in reader.found if tag == "a" and (target := own["href"])}
    assert targets <= set(anchors)
    assert not [name for _, own in reader.found for name in own if name.startswith("on")]


def test_names_are_text_wherever_they_stand() -> None:
    page = render_page(named_evil(), EVIL)
    assert "<script>alert" not in page
    assert "49" not in re.findall(r"\{\{ 7\*7 \}\}|(?<=x\} )49", page)
    text = "".join(read(page).text)
    assert f"a {EVIL}" in text
    assert f"b {EVIL}" in text
    assert f"host {EVIL}" in text


def test_what_the_run_says_is_on_the_page() -> None:
    run = sample_runs.partial()
    text = " ".join("".join(read(render_page(run, "r")).text).split())
    for level in run.result.levels:
        assert f"{level.value}" in text
        assert f"{level.bound}" in text
    for refusal in run.result.unplaced:
        assert refusal.domain in text
        assert refusal.reason in text
    for placed in run.placed:
        assert placed.domain in text


def test_a_thousand_domains_make_less_than_three_megabytes() -> None:
    page = render_page(thousand(), "fleet")
    assert len(page.encode()) < 3 * MB
    reader = read(page)
    rows = [own for tag, own in reader.found if tag == "tr"]
    assert len(rows) > 1000
    details = [own for tag, own in reader.found if tag == "details"]
    assert len(details) == 101 > MOST_OPEN
    assert not any("open" in own for own in details)


def test_equal_runs_have_equal_pages() -> None:
    assert render_page(sample_runs.rc9(), "r") == render_page(sample_runs.rc9(), "r")


def test_a_comparison_and_what_if_results_are_shown() -> None:
    base = three_hosts()
    first = base_rows(base, QUICK).row
    failed = list(first)
    failed[0], failed[3], failed[4] = "bad one", "failed", "no such <host>"
    shown = Shown(
        before="monday",
        before_run=base.run,
        compared=tuple(compare_runs(base.run, base.run)),
        scenarios=(first, tuple(failed)),
        points=(point(0, 100), point(1, 90)),
    )
    page = render_page(base.run, "tuesday", shown)
    text = " ".join("".join(read(page).text).split())
    assert "Compared with monday" in text
    assert "no such <host>" in text
    assert 'id="all-scenarios"' in page
    assert "domains that may be moved" in text


def test_who_loses_in_which_scenario_is_said() -> None:
    base, shown = with_scenarios()
    text = " ".join(" ".join(read(render_page(base.run, "r", shown)).text).split())
    lost = [row for row in shown.scenario_domains if row[2] == "unplaced" and row[0] != "base"]
    assert lost
    for row in lost:
        assert " ".join((*row[:3], row[5], row[-1])) in text


def test_what_is_cut_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("placer.report.page.MOST_ROWS", 3)
    run = thousand()
    left = len(run.placed) - 3
    text = " ".join("".join(read(render_page(run, "r")).text).split())
    assert f"and {left} more domains; domains.csv has them all" in text


def test_domains_beside_one_another_on_a_bar_have_other_colours() -> None:
    for host in host_views(thousand()):
        for pnode in host.pnodes:
            for bar in (pnode.memory, pnode.vcpus):
                styles = [part.style for part in bar]
                assert all(one != other for one, other in pairwise(styles))


def test_links_have_the_colour_of_their_distance_on_every_host() -> None:
    for host in host_views(thousand()):
        for domain in host.domains:
            for link in domain.links:
                distance = int(link.title.split(": ")[1].split(",")[0])
                assert link.step == {10: 0, 12: 1, 32: 4}[distance]


def test_a_picture_alone_has_its_size_and_its_background() -> None:
    chart = heat_map(np.array([[10, 21], [21, 10]]), "Distances", "map0")
    root = elements(alone(chart).replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', "", 1))
    _, _, width, height = (float(part) for part in root.attrib["viewBox"].split())
    assert float(root.attrib["width"]) == pytest.approx(width * 96 / 72, abs=1)
    assert float(root.attrib["height"]) == pytest.approx(height * 96 / 72, abs=1)
    assert "fill:var(--paper)" in root[1].attrib["style"]


def test_a_host_says_to_a_pointer_how_full_it_is() -> None:
    chart = use_of_hosts(["a", "b"], [[0.1, 0.2], [0.3, 0.4], [0.0, 0.1]], [[0.0, 0.5], [0.5, 1.0]])
    assert "<title>a: 40 % of memory, 0.50 vcpus for each pcpu</title>" in chart
    assert "<title>b: 60 % of memory, 1.50 vcpus for each pcpu</title>" in chart


def point(moves: int, cost: int) -> Point:
    return Point(
        max_moves=moves,
        num_moved=moves,
        moved_pages=0,
        num_placed=1,
        cost=cost,
        bound=cost - 5,
        mean_access_distance=10.0,
        is_pareto=True,
        is_proven=False,
    )


def elements(svg: str) -> ElementTree.Element:
    root: ElementTree.Element = fromstring(
        svg.replace("<svg ", '<svg xmlns:xlink="http://www.w3.org/1999/xlink" ', 1)
    )
    return root


def test_charts_are_named_and_take_their_colours_from_the_page() -> None:
    names = ["a $b$ c", "<d>"]
    charts = [
        use_of_hosts(names, [[0.1, 0.2], [0.3, 0.4], [0.0, 0.1]], [[0.0, 0.0], [0.5, 1.0]]),
        use_of_hosts(["h"] * 300, [[0.1] * 300] * 3, [[0.5] * 300] * 2),
        heat_map(np.array([[10, 255], [21, 10]]), "Distances of <d>", "map0"),
        heat_map(np.full((20, 20), 10), "wide", "map1"),
        frontier_plot([point(0, 100), point(2, 80)]),
        scenarios_plot(
            [
                ScenarioBar(name="base", mean=10.0),
                ScenarioBar(name="a $x$ <b>", left_out=3, moved=1, mean=12.5),
                ScenarioBar(name="nothing"),
                ScenarioBar(name="no such host", failed=True),
            ]
        ),
    ]
    for chart in charts:
        root = elements(chart)
        assert root.get("aria-label")
        assert root.get("viewBox")
        assert "var(--ink)" in chart
        assert "#0000" not in chart
        assert "date" not in chart.lower()
    assert "a $b$ c" in charts[0]


def test_many_hosts_are_an_area_that_does_not_grow() -> None:
    few = use_of_hosts(["h"] * 200, [[0.1] * 200] * 3, [[0.5] * 200] * 2)
    many = use_of_hosts(["h"] * 2000, [[0.1] * 2000] * 3, [[0.5] * 2000] * 2)
    assert len(many) < 1.5 * len(few)
