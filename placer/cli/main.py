"""The program ``placer``: its commands, and what becomes of errors."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Annotated, Any, Final

import typer

from placer import __version__
from placer.cli.balloon import balloon
from placer.cli.check import check
from placer.cli.config import app as config
from placer.cli.defaults import (
    PREFIX,
    read_defaults,
    refuse_faulty_environment,
    unknown_variables,
)
from placer.cli.empty import refuse_empty
from placer.cli.exit_code import ExitCode
from placer.cli.explain import explain
from placer.cli.export import export
from placer.cli.heap import heap
from placer.cli.host import host
from placer.cli.pages import pages
from placer.cli.place import place
from placer.cli.report import report
from placer.cli.streams import (
    discard_out,
    flush_out,
    prepare_streams,
    say,
    say_error,
    say_warnings,
    unwritable_output,
    write_out,
)
from placer.cli.verify import verify
from placer.cli.whatif import app as whatif
from placer.errors import InputError, ModelError, PlacerError

app = typer.Typer(
    name="placer",
    help="Proven NUMA placement of virtual machines.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(place)
app.command()(explain)
app.command()(check)
app.command()(export)
app.command()(host)
app.command()(heap)
app.command()(pages)
app.command()(verify)
app.command()(balloon)
app.command()(report)
app.add_typer(whatif)
app.add_typer(config)


def _print_version(wanted: bool) -> None:
    if wanted:
        write_out(f"placer {__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug/--no-debug", help="Show where an unexpected failure came from."),
    ] = False,
) -> None:
    if debug:
        sys.excepthook = sys.__excepthook__
    _take_defaults(context)


def _take_defaults(context: typer.Context) -> None:
    """Give the command that follows its defaults; where only its help is wanted, without faults."""
    wants_help = "--help" in sys.argv[1:]
    try:
        refuse_faulty_environment(context.command, os.environ)
        context.default_map = read_defaults(context.command, os.environ).values
    except InputError:
        if not wants_help:
            raise
    if not wants_help:
        say_warnings(unknown_variables(context.command, os.environ))


def main() -> None:
    """Run the program on the arguments of the process, and end it with its exit code."""
    prepare_streams()
    sys.excepthook = report_unexpected
    command: Any = typer.main.get_command(app)
    for option in command.params:  # PLACER_VERSION is no wish to see the version
        if option.is_eager:
            option.allow_from_autoenv = False
    refuse_empty(command)
    try:
        with _interrupted_by_sigterm():
            try:
                _run(command)
            finally:
                flush_out()
    except ModelError as error:
        say_error(error)
        say(_REPORT)
        sys.exit(ExitCode.UNEXPECTED)
    except PlacerError as error:
        say_error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)


def _run(command: Any) -> None:
    """Run the command; what Typer itself prints is no other output than that of commands."""
    try:
        command(prog_name="placer", auto_envvar_prefix=PREFIX)
    except OSError as error:
        if not _is_from_echo(error):
            raise
        raise unwritable_output(error) from error
    except SystemExit as ended:
        # A broken pipe, of whatever kind, Typer makes an end with 1 and without a word.
        broken = ended.__context__
        if not isinstance(broken, BrokenPipeError):
            raise
        if not _is_from_echo(broken):
            raise broken from None
        discard_out(sys.stdout)
        sys.exit(ExitCode.PLACED)


def _is_from_echo(error: OSError) -> bool:
    """Return whether it is from what Typer itself prints: help, the version."""
    return traceback.extract_tb(error.__traceback__)[-1].name == "echo"


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does, unless it was to be ignored."""
    default = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if not default or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


_REPORT: Final = (
    "this is a defect of placer: please report it with the inputs and with what "
    "`placer --debug` prints for the same command"
)


def report_unexpected(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Say an exception that nobody expected in one line, and how to report it."""
    if issubclass(kind, KeyboardInterrupt):
        return
    frames = traceback.extract_tb(trace)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    text = " ".join(str(error).split())
    say(f"error: unexpected {kind.__name__}{where}: {text}")
    say(_REPORT)
