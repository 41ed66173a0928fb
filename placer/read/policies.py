"""Placement policies by name, or from a TOML file of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Final, cast

from placer.errors import Fault, InputError
from placer.policy import Policy, TieBreak
from placer.read.resources import find_resources
from placer.read.toml_fields import Fields, TomlDocument
from placer.text_file import is_file_name, read_text

KEYS: Final = ("name", "tie_break", "description")
TIE_BREAKS: Final = ("none", "spread", "pack")


def read_policy(name_or_path: str | Path) -> Policy:
    """Return the policy that placer brings under a name, or that a TOML file states.

    ``name_or_path`` says which: what ends in ``.toml`` or is a ``Path`` is a file. Raises
    InputError where there is no such policy or the file is faulty.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith(".toml"):
        return _parse(text, read_text(name_or_path, "a policy file"))
    if text not in policy_names():
        expected = f"one of {', '.join(policy_names())}, or a .toml file"
        found = f"{text!r}, a file without .toml" if is_file_name(text) else repr(text)
        raise InputError(Fault(source="policy", field="name", found=found, expected=expected))
    resource = find_resources("policies").joinpath(f"{text}.toml")
    return _parse(f"{text}.toml", resource.read_text(encoding="utf-8"))


def policy_names() -> tuple[str, ...]:
    """Return the names of the policies that placer brings, sorted."""
    found = (entry.name for entry in find_resources("policies").iterdir())
    return tuple(sorted(name[: -len(".toml")] for name in found if name.endswith(".toml")))


def _parse(source: str, text: str) -> Policy:
    document = TomlDocument(source, text)
    fields = Fields(document, (), document.root, KEYS)
    name = fields.text("name", "a name")
    tie_break = fields.choice("tie_break", TIE_BREAKS)
    description = fields.text("description", "a sentence")
    for key in ("name", "tie_break"):
        if key not in fields:
            fields.fault(key, "no such key", "name and tie_break")
    document.raise_faults()
    return Policy(
        name=str(name), tie_break=cast(TieBreak, tie_break), description=description or ""
    )
