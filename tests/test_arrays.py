import numpy as np
import pytest

from placer.arrays import read_only


def test_a_read_only_array_of_whole_numbers_is_shared_and_not_copied() -> None:
    first = read_only([1, 2, 3])
    assert read_only(first) is first


def test_an_array_that_somebody_may_write_to_is_copied() -> None:
    values = np.array([1, 2, 3])
    copy = read_only(values)
    values[0] = 9
    assert copy.tolist() == [1, 2, 3]


def test_a_read_only_view_of_an_array_that_may_be_written_to_is_copied() -> None:
    values = np.array([1, 2, 3])
    view = values[:]
    view.setflags(write=False)
    copy = read_only(view)
    values[0] = 9
    assert copy.tolist() == [1, 2, 3]


@pytest.mark.parametrize("values", [[1.5], [[1]], ["a"]])
def test_what_is_no_list_of_whole_numbers_is_refused(values: object) -> None:
    with pytest.raises(ValueError, match="whole numbers in 1 dimension"):
        read_only(values)


def test_a_shared_array_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="whole numbers in 2 dimensions"):
        read_only(read_only([1]), ndim=2)
