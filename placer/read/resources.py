"""The data files that come with placer: policies, machines.

In an installed wheel they lie in ``placer/data``, where the build copies them from ``models``
(pyproject.toml, force-include). In a source checkout, an editable install among them, there is no
``placer/data`` and they are read from ``models`` beside the package.
"""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path


def find_resources(folder: str) -> Traversable:
    """Return the folder of that name (``"policies"``) among placer's data.

    Raises FileNotFoundError where the installation lacks it.
    """
    package = files("placer")
    installed = package.joinpath("data", folder)
    if installed.is_dir():
        return installed
    checkout = Path(str(package)).parent / "models" / folder
    if checkout.is_dir():
        return checkout
    raise FileNotFoundError(f"placer is installed without its {folder}")
