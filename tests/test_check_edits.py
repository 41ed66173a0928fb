"""Runs that somebody edited: what was changed is told, whatever it is, and nothing breaks."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from placer.report.folder import write_run
from placer.report.verify import check_sums
from placer.run import RUN_FILES, SUMS_FILE
from tests import sample_runs
from tests.breakings.moves import swapping
from tests.cli.program import run_placer
from tests.edited_runs import sum_again

REGIONS = 16
"""In how many places of each file a bit is turned."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The run of the posting's second guest."""
    write_run(tmp_path / "rc9", sample_runs.rc9(), log={"seconds": 1.25})
    return tmp_path / "rc9"


def edits(data: bytes) -> Iterator[tuple[str, bytes | None]]:
    """Yield what may become of a file: other content, or None where it is gone."""
    for region in range(REGIONS):
        at = region * (len(data) - 1) // (REGIONS - 1)
        yield (
            f"bit {region % 8} of byte {at}",
            bytes(
                byte ^ 1 << region % 8 if index == at else byte for index, byte in enumerate(data)
            ),
        )
    yield "a line more", data + b"\n"
    yield "a byte less", data[:-1]
    yield "half of it", data[: len(data) // 2]
    yield "nothing in it", b""
    yield "carriage returns", data.replace(b"\n", b"\r\n")
    yield "a byte order mark", b"\xef\xbb\xbf" + data
    yield "removed", None


@pytest.mark.parametrize("name", sorted(RUN_FILES))
def test_every_edit_of_every_file_is_told_by_its_name(
    name: str, folder: Path, tried: Callable[..., None]
) -> None:
    assert list(check_sums(folder)) == []
    path = folder / name
    whole, count = path.read_bytes(), 0
    for what, data in edits(whole):
        if data is None:
            path.unlink()
        else:
            path.write_bytes(data)
        found = list(check_sums(folder))
        assert found, what
        if name != SUMS_FILE:
            assert [text.startswith(f"{name}: ") for text in found] == [True], what
        path.write_bytes(whole)
        count += 1
    assert list(check_sums(folder)) == []
    assert count == REGIONS + 7
    tried("edited-runs", count)


def test_two_files_that_change_places_are_told(folder: Path, tried: Callable[..., None]) -> None:
    pairs = list(combinations(sorted(RUN_FILES - {SUMS_FILE}), 2))
    whole = {name: (folder / name).read_bytes() for name in RUN_FILES}
    told = 0
    for one, other in pairs:
        if whole[one] == whole[other]:
            continue
        (folder / one).write_bytes(whole[other])
        (folder / other).write_bytes(whole[one])
        assert {text.partition(":")[0] for text in check_sums(folder)} == {one, other}
        told += 1
        for name in (one, other):
            (folder / name).write_bytes(whole[name])
    assert told == len(pairs) == 91
    tried("edited-runs", told)


@pytest.mark.parametrize("name", ["notes.txt", ".hidden", "vcpus.csv~", "sub"])
def test_what_was_put_beside_the_files_is_told(name: str, folder: Path) -> None:
    if name == "sub":
        (folder / name).mkdir()
    else:
        (folder / name).write_text("", encoding="utf-8")
    ended = run_placer("check", folder)
    assert ended.code == 5
    assert ended.err == f"error: {name}: is no file of a run\n"
    sum_again(folder)
    assert f"error: {name}: is no file of a run\n" in run_placer("check", folder).err


@pytest.mark.parametrize("name", sorted(RUN_FILES))
def test_the_program_does_not_pass_a_file_with_one_bit_turned(name: str, folder: Path) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    ended = run_placer("check", folder)
    assert ended.code == 5
    assert name == SUMS_FILE or f"error: {name}: was changed" in ended.err


@pytest.mark.parametrize("name", sorted(RUN_FILES))
def test_the_program_does_not_pass_a_run_that_has_lost_a_file(name: str, folder: Path) -> None:
    (folder / name).unlink()
    ended = run_placer("check", folder)
    assert ended.code == 5
    assert f"error: {name}: {'not there' if name == SUMS_FILE else 'is missing'}" in ended.err


# -- records that were edited with care, so that their sums agree ---------------------

VALUES: tuple[Any, ...] = (
    *(0, 1, -1, 2, 7, 255, 1 << 31, 1 << 40, 1 << 62, (1 << 63) - 1, -(1 << 63), 1 << 70),
    *(
        None,
        True,
        1.5,
        1e308,
        "",
        "x",
        "1/0",
        "-1/3",
        "nodes:9",
        "host",
        [],
        {},
        [0],
        [[]],
        [[0, 1]],
    ),
)


def places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each list or object of a document with each key of it."""
    keys: Any = list(data) if isinstance(data, dict) else range(len(data))
    for key in keys:
        yield data, key
        if isinstance(data[key], dict | list):
            yield from places(data[key])


def mutate(data: Any, rng: random.Random) -> str:
    """Change one value of a document; say which."""
    holder, key = rng.choice(list(places(data)))
    how = rng.choice(["set", "set", "set", "drop", "double", "exchange"])
    if how == "set" or isinstance(holder, dict):
        holder[key] = rng.choice(VALUES)
    elif how == "drop":
        del holder[key]
    elif how == "double":
        holder.insert(key, holder[key])
    else:
        other = rng.randrange(len(holder))
        holder[key], holder[other] = holder[other], holder[key]
    return f"{how} {key}: {json.dumps(holder)[:80]}"


def hold_mutated(part: int, times: int, tmp_path: Path) -> None:
    """Mutate the records of runs; the program says what it thinks of each, and does not break."""
    runs = [
        sample_runs.rc9(),
        sample_runs.partial(),
        sample_runs.spilled(),
        sample_runs.unrealised(),
        swapping(part),
        *(sample_runs.tiny(seed) for seed in range(5 * part, 5 * part + 5)),
    ]
    rng = random.Random(part)
    codes = []
    for number, run in enumerate(runs):
        write_run(tmp_path / f"{number}", run, log={})
    for time in range(times):
        folder = tmp_path / "edited"
        shutil.copytree(tmp_path / f"{time % len(runs)}", folder)
        name = rng.choice(["problem.json", "result.json", "frames.json"])
        data = json.loads((folder / name).read_text(encoding="utf-8"))
        before = json.dumps(data)
        what = [mutate(data, rng) for _ in range(rng.choice((1, 1, 1, 2)))]
        (folder / name).write_text(json.dumps(data), encoding="utf-8")
        sum_again(folder)
        ended = run_placer("check", folder)
        assert ended.code in (0, 2, 5), f"{time}: {name}: {what}"
        if json.dumps(data) != before:
            codes.append(ended.code)
        shutil.rmtree(folder)
    assert codes.count(0) < times // 10
    assert {2, 5} <= set(codes)


@pytest.mark.parametrize("part", range(2))
def test_no_careful_edit_of_a_record_breaks_the_checker(
    part: int, tmp_path: Path, tried: Callable[..., None]
) -> None:
    hold_mutated(part, 60, tmp_path)
    tried("hostile-records", 60)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10, 14))
def test_no_careful_edit_of_many_records_breaks_the_checker(
    part: int, tmp_path: Path, tried: Callable[..., None]
) -> None:
    hold_mutated(part, 200, tmp_path)
    tried("hostile-records", 200)
