"""docs/reliability.md is held to what the tests count: no row or word of its own."""

import pytest

from tests.reliability.table import Row, count, differences, render

ROWS = {
    "kill": Row(area="Writes", fault="kill -9", how="at any call", unit="kills"),
    "full": Row(area="Writes", fault="a full disk", how="a tmpfs", unit="writes"),
}
COUNTS = {"kill": 2000, "full": 3}


def test_the_table_says_what_was_counted() -> None:
    records = [("kill", 1500), ("full", 3), ("kill", 500)]
    assert count(records) == COUNTS
    table = render(ROWS, COUNTS)
    assert "| kill -9 | at any call | 2,000 kills | nothing |" in table
    assert "| a full disk | a tmpfs | 3 writes | nothing |" in table
    with pytest.raises(KeyError):
        render(ROWS, {"kill": 1})


@pytest.mark.parametrize(
    ("counts", "differing"),
    [
        (COUNTS, 0),
        (COUNTS | {"kill": 2040}, 0),
        (COUNTS | {"kill": 1200}, 1),
        (COUNTS | {"full": 4}, 1),
        (COUNTS | {"kill": 1200, "full": 4}, 2),
    ],
)
def test_a_page_is_current_where_it_says_the_same(counts: dict[str, int], differing: int) -> None:
    assert len(differences(render(ROWS, counts), render(ROWS, COUNTS))) == differing


def test_a_page_without_a_row_with_one_more_or_with_none_is_not_current() -> None:
    table = render(ROWS, COUNTS)
    assert differences("", table) == table.splitlines()
    assert differences(table + "| more | more | 1 kills | nothing |\n", table)
    assert differences(table.replace("a tmpfs", "a disk"), table)
