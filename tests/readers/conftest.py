"""The guests of the posting, for the programs that read its exports."""

from tests.export.conftest import rc9, rcbig

__all__ = ["rc9", "rcbig"]
