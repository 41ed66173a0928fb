"""What ends a call that looks at neither clock nor memory."""

import threading
import time
from collections.abc import Callable

import pytest

from placer.alarm import Alarm, OverLimit, available_bytes, resident_bytes


def _spin(seconds: float) -> str:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return "done"


def test_a_call_that_ends_in_time_returns_its_value() -> None:
    alarm = Alarm[str](60.0)
    assert alarm.call(lambda: "done") == "done"
    assert not alarm.has_rung


def test_a_call_that_does_not_look_at_the_clock_is_ended() -> None:
    alarm = Alarm[str](0.05)
    assert alarm.call(lambda: _spin(60.0)) is None
    assert alarm.reason == "time"


def test_what_takes_it_as_ctrl_c_gives_what_it_has() -> None:
    def search() -> str:
        try:
            return _spin(60.0)
        except KeyboardInterrupt:
            return "best so far"

    alarm = Alarm[str](0.05)
    assert alarm.call(search) == "best so far"
    assert alarm.has_rung


def test_a_thread_of_its_own_is_ended_and_no_other() -> None:
    ended: list[str | None] = []
    beside = threading.Thread(target=lambda: ended.append(Alarm[str](0.05).call(lambda: _spin(60))))
    beside.start()
    assert _spin(0.2) == "done"
    beside.join()
    assert ended == [None]


def test_an_error_and_ctrl_c_go_through() -> None:
    def fail(error: BaseException) -> Callable[[], None]:
        def raise_it() -> None:
            raise error

        return raise_it

    with pytest.raises(ValueError, match="its own"):
        Alarm[None](60.0).call(fail(ValueError("its own")))
    with pytest.raises(KeyboardInterrupt):
        Alarm[None](60.0).call(fail(KeyboardInterrupt()))


def test_nothing_arrives_after_the_call_however_close_its_end(
    tried: Callable[..., None],
) -> None:
    times = 500
    rung = 0
    try:
        for number in range(times):
            alarm = Alarm[str](0.0005 + number * 1e-7)
            assert alarm.call(lambda: _spin(0.0005)) in {"done", None}
            rung += alarm.has_rung
        _spin(0.01)
    except OverLimit:
        pytest.fail("the exception of an alarm came after its call")
    tried("alarm", times)


def test_a_call_that_takes_more_memory_than_allowed_is_ended() -> None:
    def take() -> int:
        held = []
        while True:
            held.append(bytearray(1 << 20))
            held[-1][::4096] = b"x" * 256
            time.sleep(0.001)

    before = resident_bytes()
    alarm = Alarm[int](30.0, before + (64 << 20))
    assert alarm.call(take) is None
    assert alarm.reason == "memory"


def test_the_memory_of_the_process_and_of_the_machine_are_known() -> None:
    held = resident_bytes()
    block = bytearray(32 << 20)
    block[::4096] = b"x" * len(block[::4096])
    assert held + (24 << 20) < resident_bytes() < held + (64 << 20)
    assert (available_bytes() or 0) > 1 << 20
