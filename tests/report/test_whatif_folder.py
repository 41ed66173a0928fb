"""What-if results in a folder: complete, in order, and gone on with after any end."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from placer.errors import InputError
from placer.report.frontier import COLUMNS as FRONTIER_COLUMNS
from placer.report.whatif_folder import COLUMNS, SCENARIOS_FILE, WhatIfFolder
from placer.whatif.rows import BASE_NAME, DOMAIN_COLUMNS, PNODE_COLUMNS, SCENARIO_COLUMNS, Outcome

NAMES = ["first", "second", "third"]
KEYS = [(name, f"key of {name}") for name in NAMES]


def outcome(name: str, *, failed: bool = False) -> Outcome:
    row = ["x"] * len(SCENARIO_COLUMNS)
    row[:2] = name, f"key of {name}"
    row[SCENARIO_COLUMNS.index("status")] = "failed" if failed else "optimal"
    return Outcome(
        number=NAMES.index(name),
        key=f"key of {name}",
        row=tuple(row),
        domains=tuple((name, f"vm,{n}", *["y"] * (len(DOMAIN_COLUMNS) - 2)) for n in range(2)),
        pnodes=((name, *["z"] * (len(PNODE_COLUMNS) - 1)),),
        failed=failed,
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def write(folder: Path, *names: str) -> None:
    with WhatIfFolder(folder, KEYS) as opened:
        for name in names:
            if name not in opened.done:
                opened.append(outcome(name))
        opened.finish()


def test_rows_stand_in_the_order_of_the_scenarios(tmp_path: Path) -> None:
    write(tmp_path / "forth", *NAMES)
    write(tmp_path / "back", *reversed(NAMES))
    assert contents(tmp_path / "forth") == contents(tmp_path / "back")
    table = pd.read_csv(tmp_path / "back" / SCENARIOS_FILE)
    assert table["scenario"].tolist() == NAMES
    domains = pd.read_csv(tmp_path / "back" / "whatif_domains.csv")
    assert domains["domain"].tolist() == ["vm,0", "vm,1"] * 3


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    write(tmp_path / "whole", *NAMES)
    write(tmp_path / "parts", "third")
    with WhatIfFolder(tmp_path / "parts", KEYS) as opened:
        assert list(opened.done) == ["third"]
    write(tmp_path / "parts", *NAMES)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_a_cut_at_any_byte_loses_no_finished_scenario(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    write(whole, *NAMES)
    expected = contents(whole)
    folder = tmp_path / "cut"
    folder.mkdir()
    size = len(expected[SCENARIOS_FILE])
    for end in range(0, size, 7):
        for name, data in expected.items():
            # Rows of the other files are written first.
            (folder / name).write_bytes(data[:end] if name == SCENARIOS_FILE else data)
        with WhatIfFolder(folder, KEYS) as opened:
            lines = expected[SCENARIOS_FILE][:end].count(b"\n")
            assert len(opened.done) == max(0, lines - 1)
        write(folder, *NAMES)
        assert contents(folder) == expected


def test_half_written_rows_of_an_unfinished_scenario_are_dropped(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    write(folder, "first")
    with (folder / "whatif_domains.csv").open("ab") as file:
        file.write(b"second,vm0,y\nsecond,vm1," + b"y" * 5)
    write(folder, *NAMES)
    write(tmp_path / "whole", *NAMES)
    assert contents(folder) == contents(tmp_path / "whole")


def test_other_questions_and_failures_are_answered_anew(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    with WhatIfFolder(folder, KEYS) as opened:
        opened.append(outcome("first"))
        opened.append(outcome("second", failed=True))
    with WhatIfFolder(folder, [("first", "another key"), KEYS[1]]) as opened:
        assert opened.done == {}
        assert opened.dropped == 2


def test_two_processes_do_not_write_one_folder(tmp_path: Path) -> None:
    with WhatIfFolder(tmp_path / "f", KEYS) as opened:
        opened.append(outcome("first"))
        with pytest.raises(InputError, match="another process is writing, expected one at a time"):
            WhatIfFolder(tmp_path / "f", KEYS)
        opened.append(outcome("second"))
    with WhatIfFolder(tmp_path / "f", KEYS) as opened:
        assert list(opened.done) == ["first", "second"]


def test_answers_to_other_questions_are_dropped_only_where_that_is_asked(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    write(folder, *NAMES)
    before = contents(folder)
    with pytest.raises(InputError, match="found 3 answers to other questions, expected a new name"):
        WhatIfFolder(folder, [("fourth", "key of fourth")])
    assert contents(folder) == before
    with WhatIfFolder(folder, [("fourth", "key of fourth")], replace=True) as opened:
        assert opened.dropped == 3


def test_answers_about_another_base_are_not_mixed_with_new_ones(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    base = Outcome(
        number=-1, key="one", row=(BASE_NAME, "one", *["x"] * (len(SCENARIO_COLUMNS) - 2))
    )
    with WhatIfFolder(folder, [(BASE_NAME, "one"), *KEYS]) as opened:
        opened.append(base)
        opened.append(outcome("first"))
    with pytest.raises(InputError, match="2 answers about another base"):
        WhatIfFolder(folder, [(BASE_NAME, "other"), *KEYS])


def test_a_curve_of_other_answers_does_not_stay(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    write(folder, "first")
    (folder / "frontier.csv").write_text("of before", encoding="utf-8")
    write(folder, *NAMES)
    assert not (folder / "frontier.csv").exists()


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match=r"a folder that holds 'thesis.txt'"):
        WhatIfFolder(tmp_path, KEYS)
    with pytest.raises(InputError, match="something that is no folder"):
        WhatIfFolder(tmp_path / "thesis.txt", KEYS)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_results_of_another_version_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / SCENARIOS_FILE).write_text("scenario,other\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"other columns in whatif\.csv"):
        WhatIfFolder(tmp_path, KEYS)


def test_names_with_commas_quotes_and_line_ends_stay_one_cell(tmp_path: Path) -> None:
    name = 'a "b",\nc'
    keys = [(name, "k")]
    row = (name, "k", *["x"] * (len(SCENARIO_COLUMNS) - 2))
    with WhatIfFolder(tmp_path / "f", keys) as opened:
        opened.append(Outcome(number=0, key="k", row=row))
        opened.finish()
    assert pd.read_csv(tmp_path / "f" / SCENARIOS_FILE)["scenario"].tolist() == [name]
    with WhatIfFolder(tmp_path / "f", keys) as opened:
        assert list(opened.done) == [name]
    assert set(contents(tmp_path / "f")) == set(COLUMNS)


@pytest.mark.parametrize("name", [*COLUMNS, "frontier.csv"])
def test_the_columns_are_the_documented_ones(name: str, project_root: Path) -> None:
    text = (project_root / "docs" / "whatif.md").read_text(encoding="utf-8")
    section = text.split(f"### {name}\n", 1)[1].split("\n##", 1)[0]
    cells = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    told = [column for cell in cells for column in re.findall(r"`(\w+)`", cell)]
    assert told == list({**COLUMNS, "frontier.csv": FRONTIER_COLUMNS}[name])
