from __future__ import annotations

from pathlib import Path

import pytest

from placer.errors import InputError
from placer.read.gqap import read_gqap

TINY = "2 2 3\n40\n0 1\n2 0\n0 5\n6 0\n1 2\n3 4\n7 8\n9 10\n"


def test_an_instance_is_read_with_its_factor_in_the_flow(tmp_path: Path) -> None:
    path = tmp_path / "tiny.txt"
    path.write_text(TINY, encoding="utf-8")
    instance = read_gqap(path)
    assert (instance.name, instance.best_known) == ("tiny", 40)
    assert instance.flow.tolist() == [[0, 3], [6, 0]]
    assert instance.distance.tolist() == [[0, 5], [6, 0]]
    assert instance.linear.tolist() == [[1, 2], [3, 4]]
    assert instance.demand.tolist() == [[7, 8]]
    assert instance.capacity.tolist() == [[9, 10]]


@pytest.mark.parametrize(
    ("text", "line", "field", "found"),
    [
        ("", 1, "facilities", "the end of the file"),
        ("2 2", 1, "factor", "the end of the file"),
        ("0 2 1\n4\n", 1, "facilities", "0"),
        (TINY.replace("6 0", "6 x"), 6, "distance", "'x'"),
        (TINY.replace("7 8", "7 -8"), 9, "demand", "'-8'"),
        (TINY + "11\n", 11, "end", "'11'"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_field(
    tmp_path: Path, text: str, line: int, field: str, found: str
) -> None:
    path = tmp_path / "wrong.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_gqap(path)
    (fault,) = caught.value.faults
    assert (fault.line, fault.field, fault.found) == (line, field, found)
