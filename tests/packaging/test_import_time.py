"""What is loaded, and when: start-up stays short because heavy packages wait until needed."""

import subprocess
import sys

import pytest

HEAVY_ON_IMPORT = ("ortools", "pandas", "typer", "click", "rich")


def modules_loaded_by(statements: str) -> set[str]:
    """The top-level names in sys.modules once the statements have run in a process of their own."""
    program = (
        "import contextlib, io, sys\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        + "".join(f"    {line}\n" for line in statements.splitlines())
        + "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    completed = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0, completed.stderr
    return set(completed.stdout.split())


@pytest.mark.parametrize("package", HEAVY_ON_IMPORT)
def test_importing_the_package_loads_no_heavy_one(package: str) -> None:
    assert package not in modules_loaded_by("import placer")


def test_help_loads_neither_solver_nor_frames() -> None:
    loaded = modules_loaded_by(
        "sys.argv = ['placer', '--help']\n"
        "from placer.cli.main import main\n"
        "with contextlib.suppress(SystemExit):\n"
        "    main()"
    )
    assert "placer" in loaded
    assert not loaded & {"ortools", "pandas"}
