"""What every test shares: hypothesis profiles, what a skipped test means, what is counted."""

import json
import os
import shutil
import signal
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As a shell has it for what it runs beside itself: programs that tests interrupt inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-skips",
        action="store_true",
        default=bool(os.environ.get("CI")),
        help="a skipped test is a failure (the default where CI is set)",
    )
    parser.addoption(
        "--tried",
        type=Path,
        metavar="FILE",
        help="write here, as JSON, how often each fault of docs/reliability.md was tried",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that count for docs/reliability.md."""
    for item in items:
        if "tried" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.reliability)


@pytest.fixture
def tried(record_property: Callable[[str, object], None]) -> Callable[[str, int], None]:
    """Count a fault: ``tried(key, times)``, the key being one of faults.toml.

    Said at the end of a test, so that one in which something is lost, which fails, counts for
    nothing. How often must not
    depend on the machine or the clock.
    """

    def note(key: str, times: int) -> None:
        record_property("tried", [key, times])

    return note


_TRIED: list[object] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what a test has counted, here or in a worker of pytest-xdist."""
    if report.when == "teardown":
        _TRIED.extend(value for name, value in report.user_properties if name == "tried")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write what was counted, in the process that all others report to."""
    path = session.config.getoption("tried")
    if path is not None and not hasattr(session.config, "workerinput"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(_TRIED), encoding="utf-8")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure; a test that is expected to fail is not a skip."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and item.config.getoption("no_skips"):
        _fail(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn the skip of a whole module into a failure."""
    report = yield
    if report.skipped and collector.config.getoption("no_skips"):
        _fail(report)
    return report


def _fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    skip = report.longrepr
    reason = skip[2] if isinstance(skip, tuple) else str(skip)
    report.outcome = "failed"
    report.longrepr = f"{report.nodeid}: no test may be skipped here. {reason}"


@pytest.fixture(scope="session")
def require_program() -> Callable[[str, str], str]:
    """Find a program that a test runs, or skip the test with the line that installs it."""

    def require(name: str, apt_package: str) -> str:
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"{name} is missing; on Debian: sudo apt-get install {apt_package}")
        return path

    return require


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The folder that holds models/, datasets/ and tests/; in a test of the wheel, no placer/."""
    return Path(__file__).parent.parent
