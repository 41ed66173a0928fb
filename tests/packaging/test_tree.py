"""How the tree is kept: data folders hold data, and no Python file grows without end."""

from itertools import chain
from pathlib import Path

import pytest

import placer

DATA_FOLDERS = ("models", "datasets", "reports")
CODE_FOLDERS = ("tests", "benchmarks")
MOST_LINES = 600


@pytest.mark.parametrize("folder", DATA_FOLDERS)
def test_a_data_folder_holds_no_python_file(folder: str, project_root: Path) -> None:
    found = sorted((project_root / folder).rglob("*.py"))
    assert not found


def test_no_python_file_is_too_long(project_root: Path) -> None:
    folders = [Path(placer.__file__).parent, *(project_root / name for name in CODE_FOLDERS)]
    lengths = {
        path: len(path.read_text(encoding="utf-8").splitlines())
        for path in chain.from_iterable(folder.rglob("*.py") for folder in folders)
    }
    assert lengths
    assert not {path: length for path, length in lengths.items() if length > MOST_LINES}
