"""What goes to standard output and standard error, in an encoding that both can carry."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Final, TextIO

from placer.errors import Fault, InputError
from placer.report.printable import printable
from placer.whole_file import whole_file


def prepare_streams() -> None:
    """Let characters that a stream cannot encode be escaped instead of failing.

    Streams that are closed are opened, so that no file of ours is taken for one of them:
    what goes to standard output then fails, what goes to standard error is lost.
    """
    for number, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # the lowest number that is free: this one
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def write_out(content: str | bytes) -> None:
    """Write text, as UTF-8, or bytes to standard output.

    A reader that has gone away is no error. Raises InputError where it cannot be written to.
    """
    data = content.encode() if isinstance(content, str) else content
    with _standard_output():
        sys.stdout.flush()
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.buffer.write(data)
        else:
            sys.stdout.write(data.decode())
        sys.stdout.flush()


def show(draw: Callable[[TextIO], None]) -> None:
    """Let ``draw`` print to standard output; as `write_out`."""
    with _standard_output():
        draw(sys.stdout)
        sys.stdout.flush()


def flush_out() -> None:
    """Have all that was printed on standard output; as `write_out`."""
    with _standard_output():
        sys.stdout.flush()


@contextmanager
def _standard_output() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        discard_out(sys.stdout)
    except OSError as error:
        discard_out(sys.stdout)
        raise unwritable_output(error) from error


def unwritable_output(error: OSError) -> InputError:
    """Return what is said where standard output cannot be written to."""
    return InputError(
        Fault(
            source="standard output",
            field="output",
            found=(error.strerror or str(error)).lower(),
            expected="that it can be written to",
        )
    )


def drawn_now(draw: Callable[[TextIO], None]) -> Callable[[TextIO], None]:
    """Return what `show` is to print: ``draw``, which at a terminal prints line by line.

    Where standard output is none, all is drawn here already, while progress is shown.
    """
    from placer.report.console import Drawing

    if sys.stdout.isatty():
        return draw
    drawing = Drawing(sys.stdout.encoding)
    draw(drawing)

    def write(stream: TextIO) -> None:
        stream.write(drawing.getvalue())

    return write


@contextmanager
def writing(path: Path | str, option: str) -> Iterator[None]:
    """Turn an OSError of the block, which writes ``path``, into an InputError that names both."""
    try:
        yield
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        raise InputError(
            Fault(
                source=str(path),
                field=option,
                found=found,
                expected="a file that can be written",
            )
        ) from error


def write_file(path: Path, content: str | bytes, option: str) -> None:
    """Write text, as UTF-8, or bytes as ``path``, whole or not at all.

    What is no regular file, such as a device, is written to as it stands. Raises InputError,
    which names the option that the path is from, where it cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    with writing(path, option):
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return
        with whole_file(path) as begun:
            begun.write_bytes(data)


def discard_out(stream: TextIO) -> None:
    """Send what is still written to ``stream`` nowhere, so that its end raises no error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


_ABOVE: Final[list[Callable[[str], None]]] = []
"""What writes a line above the progress that is drawn on standard error; empty without any."""


@contextmanager
def lines_above(write: Callable[[str], None]) -> Iterator[None]:
    """Let `say` write by ``write`` for as long as something is drawn where its lines would go."""
    _ABOVE.append(write)
    try:
        yield
    finally:
        _ABOVE.pop()


def say(line: str) -> None:
    """Write one line to standard error; lost where nobody reads it any more."""
    if _ABOVE:
        _ABOVE[-1](printable(line))
        return
    try:
        print(printable(line), file=sys.stderr, flush=True)
    except OSError:
        discard_out(sys.stderr)


def say_warnings(warnings: Iterable[Fault | str]) -> None:
    """Write a line for each warning to standard error."""
    for warning in warnings:
        say(f"warning: {warning}")


def say_error(error: Exception) -> None:
    """Write what ``error`` says to standard error, each fault of the input on its own line."""
    faults = error.faults if isinstance(error, InputError) else str(error).splitlines()
    for fault in faults or [type(error).__name__]:
        say(f"error: {fault}")
