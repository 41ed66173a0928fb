"""Pictures of a placement: what they show, and that Graphviz and an XML parser take them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from xml.etree.ElementTree import Element

import defusedxml.ElementTree
import pytest

from placer.domain import VnodeMemory
from placer.export import render
from placer.run import Run
from tests.builders import make_domain
from tests.export.runs import heatpipe, make_run, put, put_on_heatpipe, renamed

SVG = "{http://www.w3.org/2000/svg}"
ODD = 'a<b & "c"\\N\n--> é日\u202e'


def spilled_run() -> Run:
    domain = make_domain([2048, 1024], num_vcpus=2, memory=(VnodeMemory(policy="preferred"),) * 2)
    pages = [[1536, 512], [0, 1024]]
    placed = put(domain, [0, 1], [0, 1], pages=pages)
    return make_run(heatpipe([655759, 865898], ()), [domain], [placed])


def parsed(run: Run) -> Element:
    root: Element = defusedxml.ElementTree.fromstring(render(run, None, "svg").text)
    return root


def titles(root: Element) -> list[str]:
    return [str(element.text) for element in root.iter(f"{SVG}title")]


def graph(run: Run, require_program: Callable[[str, str], str]) -> str:
    """Lay the graph out with Graphviz; return its plain output."""
    program = require_program("dot", "graphviz")
    text = render(run, None, "dot").text
    command = [program, "-Tplain"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_graphviz_draws_each_vnode_and_the_distance_between_their_homes(
    rcbig: Run, require_program: Callable[[str, str], str]
) -> None:
    plain = graph(rcbig, require_program)
    nodes = re.findall(r"^node (vnode\d)", plain, re.MULTILINE)
    assert sorted(nodes) == ["vnode0", "vnode1", "vnode2", "vnode3"]
    edges = re.findall(r"^edge vnode(\d) vnode(\d) .* (\d+) [\d.]+ [\d.]+ \w+", plain, re.MULTILINE)
    apart = {(int(one), int(other)): int(label) for one, other, label in edges}
    assert apart == {(0, 1): 10, (0, 2): 20, (0, 3): 20, (1, 2): 20, (1, 3): 20, (2, 3): 10}


def test_graphviz_draws_the_part_of_a_vnode_off_its_home(
    require_program: Callable[[str, str], str],
) -> None:
    plain = graph(spilled_run(), require_program)
    assert "edge vnode0 part0_1" in plain
    assert "part1_" not in plain


def test_graphviz_takes_any_name(rc9: Run, require_program: Callable[[str, str], str]) -> None:
    assert "node vnode0" in graph(renamed(rc9, ODD), require_program)


def test_distances_that_differ_by_direction_are_both_told() -> None:
    run = put_on_heatpipe(make_domain([512, 512], num_vcpus=2), [0, 1], [0, 1])
    host = run.problem.hosts[0]
    object.__setattr__(host, "distances", host.distances + [[0, 1], [0, 0]])
    assert 'vnode0 -- vnode1 [label="21 / 20"]' in render(run, None, "dot").text


def test_links_between_many_vnodes_are_left_out_and_that_is_said() -> None:
    run = put_on_heatpipe(make_domain([512] * 9, num_vcpus=9), [0] * 9, list(range(9)))
    rendered = render(run, None, "dot")
    assert rendered.warnings == ("no distances are drawn between more than 8 vnodes",)
    assert " -- " not in rendered.text


def test_the_svg_says_where_each_vnode_and_each_vcpu_is(rc9: Run) -> None:
    said = titles(parsed(rc9))
    assert "rc9 on heatpipe" in said
    assert {"vnode 0: 2 GiB", "vnode 1: 2 GiB", "pcpu 0: vcpu 0", "pcpu 5: vcpu 3"} <= {*said}
    assert "pcpu 7" in said


def test_the_svg_draws_memory_in_proportion() -> None:
    root = parsed(spilled_run())
    widths = {
        str(box.find(f"{SVG}title").text): float(box.attrib["width"])  # type: ignore[union-attr]
        for box in root.iter(f"{SVG}rect")
        if box.find(f"{SVG}title") is not None
    }
    assert widths["vnode 0: 2 MiB"] / widths["vnode 1: 4 MiB"] == pytest.approx(0.5, abs=0.05)


def test_the_svg_needs_nothing_beside_it_and_takes_any_name(rc9: Run) -> None:
    text = render(renamed(rc9, ODD), None, "svg").text
    root = defusedxml.ElementTree.fromstring(text)
    assert titles(root)[0].startswith('a<b & "c"')
    assert "href" not in text
    assert "<script" not in text
    assert "url(" not in text


def test_the_svg_shows_both_tables_of_distances_within_its_edges(rcbig: Run) -> None:
    root = parsed(rcbig)
    width, height = int(root.attrib["width"]), int(root.attrib["height"])
    for box in root.iter(f"{SVG}rect"):
        if "x" in box.attrib:
            assert float(box.attrib["x"]) + float(box.attrib["width"]) <= width
            assert float(box.attrib["y"]) + float(box.attrib["height"]) <= height
    heats = [box for box in root.iter(f"{SVG}rect") if box.attrib.get("class") == "heat"]
    assert len(heats) == 2 * 2 + 4 * 4
