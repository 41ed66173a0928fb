"""Intel's ACPI compiler reads the SRAT and SLIT that are exported (acpica-tools)."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from placer.export import ExportOptions, render
from placer.run import Run
from placer.topology import topology_of
from tests.export.shapes import SHAPES, run_of

Disassemble = Callable[[str, bytes], str]


@pytest.fixture
def disassemble(tmp_path: Path, require_program: Callable[[str, str], str]) -> Disassemble:
    program = require_program("iasl", "acpica-tools")

    def run(name: str, table: bytes) -> str:
        path = tmp_path / name
        path.write_bytes(table)
        command = [program, "-d", path.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        assert not re.search(r"error|warning|incorrect|invalid", said, re.IGNORECASE), said
        return path.with_suffix(".dsl").read_text(encoding="utf-8")

    return run


def tables(run: Run, options: ExportOptions | None = None) -> dict[str, bytes]:
    return dict(render(run, None, "acpi", options).files)


def values(text: str, name: str) -> list[int]:
    """Return the hexadecimal values of a field, in the order of the table."""
    return [int(value, 16) for value in re.findall(rf"\] +{re.escape(name)} : (\w+)", text)]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_srat_says_where_each_vcpu_and_each_range_is(
    shape: str, disassemble: Disassemble
) -> None:
    run = run_of(shape)
    topology = topology_of(run.problem, run.placed[0])
    text = disassemble("SRAT.aml", tables(run)["SRAT.aml"])
    assert values(text, "Proximity Domain Low(8)") == topology.vcpu_to_vnode.tolist()
    assert values(text, "Apic ID") == [2 * vcpu for vcpu in range(topology.num_vcpus)]
    ranges = zip(
        values(text, "Proximity Domain"),
        values(text, "Base Address"),
        values(text, "Address Length"),
        strict=True,
    )
    assert [[v, at, at + size] for v, at, size in ranges] == topology.ranges.tolist()
    enabled = re.findall(r" Enabled : (\d)", text)
    assert enabled == ["1"] * (topology.num_vcpus + len(topology.ranges))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_slit_says_the_virtual_distances(shape: str, disassemble: Disassemble) -> None:
    run = run_of(shape)
    topology = topology_of(run.problem, run.placed[0])
    text = disassemble("SLIT.aml", tables(run)["SLIT.aml"])
    rows = re.findall(r"Locality +\d+ : ([0-9A-F ]+)", text)
    assert [[int(v, 16) for v in row.split()] for row in rows] == topology.distances.tolist()


def test_a_pv_guest_s_tables_are_those_that_it_has_as_hvm(
    rcbig: Run, disassemble: Disassemble
) -> None:
    text = disassemble("SRAT.aml", tables(rcbig, ExportOptions(type="hvm"))["SRAT.aml"])
    assert values(text, "Proximity Domain") == [0, 0, 1, 2, 3]


def test_a_table_whose_checksum_is_wrong_is_found_out(
    tmp_path: Path, require_program: Callable[[str, str], str]
) -> None:
    """The reader does look: one bit of a table that it took before is another."""
    table = bytearray(tables(run_of("two-reversed"))["SRAT.aml"])
    table[-1] ^= 1
    (tmp_path / "SRAT.aml").write_bytes(table)
    command = [require_program("iasl", "acpica-tools"), "-d", "SRAT.aml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "checksum" in (done.stdout + done.stderr).lower()
