"""What a reader of xl's files finds wrong on the way: faults, warnings and replacements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from placer.errors import Fault
from placer.read.xl_cfg import ConfigFile, List, Num, Setting, Str, parse_number, shorten

At = Setting | Str | Num | List | None
"""Where in the file a finding stands."""


@dataclass(kw_only=True)
class Findings:
    """Faults and warnings of one file, and how faults are to be treated.

    With ``fallback`` a faulty option that has a default is replaced by it, and its
    faults become warnings. ``ignore_pnodes`` drops requests for pnodes.
    """

    source: str
    fallback: bool = False
    ignore_pnodes: bool = False
    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)

    def at(self, at: At, name: str, found: str, expected: str) -> Fault:
        """Return a fault of the option ``name`` that points at ``at``."""
        return Fault(
            source=self.source,
            field=name,
            found=found,
            expected=expected,
            line=at.line if at is not None else None,
            column=at.column if at is not None else None,
        )

    def fault(self, at: At, name: str, found: str, expected: str) -> None:
        """Record a fault that no fallback heals."""
        self.faults.append(self.at(at, name, found, expected))

    def warn(self, at: At, name: str, found: str, expected: str = "") -> None:
        """Record a warning."""
        self.warnings.append(self.at(at, name, found, expected))

    def settle(self, faults: Sequence[Fault], default: str, *, heal: bool = False) -> bool:
        """Record the faults of one option; return whether the option stands as given.

        With the fallback, or with ``heal``, they become warnings that end in
        ``default``, the words for what takes the option's place.
        """
        if self.fallback or heal:
            self.warnings.extend(
                replace(fault, expected=f"{fault.expected}; {default}") for fault in faults
            )
        else:
            self.faults.extend(faults)
        return not faults

    def read_number(
        self, config: ConfigFile, key: str, *, least: int, most: int, unit: str = ""
    ) -> int | None:
        """Return the number of a scalar option, or None where it is absent or faulty.

        Its fault, if any, is recorded; ``least`` and ``most`` are the values allowed.
        """
        setting = config.get(key)
        if setting is None:
            return None
        faults: list[Fault] = []
        value = self.number_of(setting, faults, least=least, most=most, unit=unit)
        self.faults.extend(faults)
        return value

    def number_of(
        self, setting: Setting, faults: list[Fault], *, least: int, most: int, unit: str = ""
    ) -> int | None:
        """Return the number of ``setting``; where it is none, add to ``faults`` and return None."""
        expected = f"a number from {least} to {most}{unit}"
        if isinstance(setting.value, List):
            faults.append(self.at(setting.value, setting.key, "a list", expected))
            return None
        if setting.added:
            faults.append(self.at(setting, setting.key, "+=, which xl rejects here", expected))
            return None
        try:
            value = parse_number(setting.value.text)
        except ValueError as error:
            faults.append(self.at(setting.value, setting.key, str(error), expected))
            return None
        if not least <= value <= most:
            faults.append(self.at(setting.value, setting.key, str(value), expected))
            return None
        return value

    def read_text(self, config: ConfigFile, key: str) -> str | None:
        """Return the text of a scalar option, or None where it is absent or a list (a fault)."""
        setting = config.get(key)
        if setting is None:
            return None
        if isinstance(setting.value, List):
            self.fault(setting.value, key, "a list", "a single value")
            return None
        return setting.value.text


def describe_numbers(numbers: Sequence[int], most: int = 8) -> str:
    """Return numbers as a person lists them: ``"1 and 3"``, cut after ``most``."""
    words = [str(number) for number in numbers[:most]]
    if len(numbers) > most:
        words.append(f"{len(numbers) - most} more")
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def count_of(number: int, noun: str, plural: str = "") -> str:
    """Return ``"1 entry"`` or ``"2 entries"``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def kind_of(value: Str | Num | List) -> str:
    """Return what a value is, for a message."""
    return "a list" if isinstance(value, List) else shorten(value.text)
