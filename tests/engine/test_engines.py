"""Every engine gives the same answers, and goes on where a worker is lost."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from placer.engine import ENGINES, EngineName, Failure, open_engine
from placer.engine.deal import Dealer
from placer.errors import InputError
from tests.engine.tasks import dawdle, die_always, die_once, square, stumble


def answers(name: EngineName, task: Any, shared: Any, items: list[int]) -> dict[int, Any]:
    found = list(open_engine(name, workers=2).run(task, shared, items))
    assert len(dict(found)) == len(found)
    return dict(found)


@pytest.mark.parametrize("name", ENGINES)
def test_every_item_is_answered_once(name: EngineName) -> None:
    assert answers(name, square, 7, list(range(40))) == {n: 7 + n * n for n in range(40)}
    assert answers(name, square, 7, []) == {}


@pytest.mark.parametrize("name", ENGINES)
def test_an_item_that_fails_says_why_and_the_others_go_on(name: EngineName) -> None:
    found = answers(name, stumble, 0, list(range(12)))
    assert found.pop(3) == Failure("unexpected ArithmeticError: three is too many")
    assert found == {n: n * n for n in range(12) if n != 3}


@pytest.mark.parametrize("name", ["processes", "dask"])
def test_a_worker_that_is_killed_loses_nothing(name: EngineName, tmp_path: Path) -> None:
    mark = tmp_path / "killed"
    found = answers(name, die_once, str(mark), list(range(20)))
    assert found == {n: n for n in range(20)}
    assert mark.exists()


@pytest.mark.parametrize("name", ["processes", "dask"])
def test_an_item_that_kills_every_worker_is_a_failure(name: EngineName) -> None:
    found = answers(name, die_always, "", list(range(12)))
    assert isinstance(found.pop(5), Failure)
    assert found == {n: n for n in range(12) if n != 5}


@pytest.mark.parametrize("name", ["serial", "threads", "processes"])
def test_nothing_goes_on_for_who_wants_no_more(name: EngineName, tmp_path: Path) -> None:
    finished = tmp_path / "finished"
    with closing(open_engine(name, workers=2).run(dawdle, str(finished), [0, 1, 2])) as answered:
        assert next(answered) == (0, 0)
    assert not finished.exists()


def test_chunks_grow_to_a_second_of_work_and_shrink_towards_the_end() -> None:
    dealer = Dealer(list(range(1000)), width=2)
    first = dealer.next_chunk()
    assert first == [0]
    dealer.finish(first, seconds=0.02)
    assert len(dealer.next_chunk()) == 50
    sizes = []
    while chunk := dealer.next_chunk():
        sizes.append(len(chunk))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 1
    assert sum(sizes) == 949


def test_items_of_a_lost_chunk_are_dealt_again_alone() -> None:
    dealer = Dealer(list("abc"), width=1)
    chunk = dealer.next_chunk()
    assert list(dealer.fail(chunk, "lost")) == []
    assert dealer.next_chunk() == chunk
    assert list(dealer.fail(chunk, "lost")) == []
    assert dealer.next_chunk() == chunk
    assert list(dealer.fail(chunk, "lost")) == [(0, Failure("lost"))]


def test_a_scheduler_needs_dask_and_has_to_answer() -> None:
    with pytest.raises(InputError, match="--scheduler: engine: found threads, expected dask"):
        open_engine("threads", scheduler="tcp://127.0.0.1:1")
    engine = open_engine("dask", scheduler="nonsense://nowhere")
    with pytest.raises(InputError, match="--scheduler: found"):
        list(engine.run(square, 0, [1]))
