"""The two guests of the posting, placed by hand."""

from __future__ import annotations

import pytest

from placer.run import Run
from tests.export.runs import rc9_run, rcbig_run


@pytest.fixture
def rcbig() -> Run:
    return rcbig_run()


@pytest.fixture
def rc9() -> Run:
    return rc9_run()
