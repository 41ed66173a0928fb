"""Defaults of options from the environment and from a file: placer.toml (docs/config.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import typer

from placer.errors import Fault, InputError
from placer.read.toml_fields import TomlDocument, describe
from placer.text_file import is_file

FILE: Final = "placer.toml"
PREFIX: Final = "PLACER"
FILE_VARIABLE: Final = "PLACER_CONFIG"
"""Names the file that is read instead of the usual ones."""

_ALIKE: Final = 0.85
"""How alike a variable and that of an option are for the latter to be suggested."""

_OF_TESTS: Final = ("PLACER_TEST_", "PLACER_XEN_CACHE")
"""How variables begin that placer's own tests read."""

SHARED: Final = "defaults"
"""The table for all commands that have the option."""


@dataclass(frozen=True, slots=True)
class Setting:
    """An option of a command with its value and where that comes from."""

    command: str
    option: str
    value: Any
    source: str


@dataclass(frozen=True)
class Defaults:
    """What the file says: values by command and parameter as click takes them, and their places."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[tuple[str, str], str] = field(default_factory=dict)
    """The file and the line of each, by command and option."""

    path: Path | None = None


def find_file(environment: Mapping[str, str]) -> Path | None:
    """Return the file to be read: that of PLACER_CONFIG, ./placer.toml, or the user's own."""
    named = environment.get(FILE_VARIABLE)
    if named:
        return Path(named)
    home = environment.get("XDG_CONFIG_HOME") or (
        f"{environment['HOME']}/.config" if environment.get("HOME") else ""
    )
    places = [Path(FILE), *([Path(home) / "placer" / FILE] if home else [])]
    return next((path for path in places if is_file(path)), None)


def read_defaults(root: Any, environment: Mapping[str, str]) -> Defaults:
    """Return the defaults of every command below ``root`` that the file gives.

    Raises InputError with every fault: a table that is no command, a key that is no option,
    a value that the option does not take.
    """
    path = find_file(environment)
    if path is None:
        return Defaults()
    document = TomlDocument.read(path)
    found = Defaults(path=path)
    commands = dict(commands_of(root))
    for name, table in document.root.items():
        if name != SHARED:
            _read_table(document, (name,), table, commands, found)
    if SHARED in document.root:
        _read_shared(document, document.root[SHARED], commands, found)
    document.raise_faults()
    return found


def commands_of(root: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield every command below ``root`` by its full name, such as ``"whatif run"``."""
    commands = getattr(root, "commands", None)
    if commands is not None:
        for name, command in commands.items():
            yield from commands_of(command, (*path, name))
    else:
        yield " ".join(path), root


def options_of(command: Any) -> dict[str, Any]:
    """Return the options of a command by their names without dashes."""
    return {
        _name_of(param): param
        for param in command.params
        if param.param_type_name == "option" and not param.is_eager
    }


# Typer may bring a click of its own, so that commands and options are known by what they have.


def _name_of(option: Any) -> str:
    return str(max(option.opts, key=len)).lstrip("-")


def _read_shared(
    document: TomlDocument, table: Any, commands: dict[str, Any], found: Defaults
) -> None:
    if not isinstance(table, dict):
        document.fault((SHARED,), describe(table), "a table")
        return
    for key, value in table.items():
        having = [name for name, command in commands.items() if key in options_of(command)]
        if not having:
            names = sorted({name for command in commands.values() for name in options_of(command)})
            _unknown(document, (SHARED, key), key, names, "an option of some command")
        for name in having:
            if (name, key) not in found.places:
                _set(document, (SHARED, key), name, commands[name], key, value, found)


def _read_table(
    document: TomlDocument,
    path: tuple[str, ...],
    table: Any,
    commands: dict[str, Any],
    found: Defaults,
) -> None:
    name = " ".join(path)
    below = [command for command in commands if command.startswith(f"{name} ")]
    if name not in commands and not below:
        _unknown(document, path, path[-1], [*commands, SHARED], "the name of a command")
        return
    if not isinstance(table, dict):
        document.fault(path, describe(table), "a table")
        return
    for key, value in sorted(table.items(), key=lambda item: not isinstance(item[1], dict)):
        if name in commands:
            options = options_of(commands[name])
            if key not in options:
                _unknown(document, (*path, key), key, list(options), f"an option of {name}")
            else:
                _set(document, (*path, key), name, commands[name], key, value, found)
        elif f"{name} {key}" in commands:
            _read_table(document, (*path, key), value, commands, found)
        else:
            having = [command for command in below if key in options_of(commands[command])]
            if not having:
                names = {option for command in below for option in options_of(commands[command])}
                _unknown(document, (*path, key), key, sorted(names), f"an option of {name}")
            for command in having:
                if (command, key) not in found.places:
                    _set(document, (*path, key), command, commands[command], key, value, found)


def _unknown(
    document: TomlDocument, path: tuple[str, ...], key: str, known: list[str], expected: str
) -> None:
    near = get_close_matches(key, known, n=1)
    document.fault(path, "an unknown name", f"{near[0]}?" if near else expected)


def _set(
    document: TomlDocument,
    path: tuple[str, ...],
    name: str,
    command: Any,
    key: str,
    value: Any,
    found: Defaults,
) -> None:
    option = options_of(command)[key]
    given = [_plain(item) for item in value] if isinstance(value, list) else _plain(value)
    if isinstance(value, list) != option.multiple or isinstance(value, dict):
        document.fault(path, describe(value), "a list" if option.multiple else "one value")
        return
    if option.is_flag and not isinstance(value, bool):
        document.fault(path, describe(value), "true or false")
        return
    try:
        option.process_value(typer.Context(command), given)
    except typer.BadParameter as error:
        document.fault(path, describe(value), _expected(error))
        return
    into = found.values
    for part in name.split():
        into = into.setdefault(part, {})
    into[option.name or key] = given
    place = document.make_fault(path, "", "")
    found.places[name, key] = f"{place.source}:{place.line}" if place.line else place.source


def _expected(error: typer.BadParameter) -> str:
    text = str(error.message).removeprefix("Input should be ").rstrip(".")
    _, found, choices = text.partition(" is not one of ")
    return f"one of {choices}" if found else text.rpartition("expected ")[2]


def _plain(value: Any) -> Any:
    """A value as click takes it: text stays, numbers become their text."""
    return value if isinstance(value, bool | str) else str(value)


def settings_of(root: Any, defaults: Defaults, environment: Mapping[str, str]) -> Iterator[Setting]:
    """Yield every option of every command with the value that it has unless a flag says else."""
    for name, command in commands_of(root):
        for key, option in options_of(command).items():
            variable = variable_of(name, option)
            table: Any = defaults.values
            for part in name.split():
                table = table.get(part, {})
            if environment.get(variable):
                yield Setting(name, key, environment[variable], f"environment {variable}")
            elif (name, key) in defaults.places:
                yield Setting(name, key, table[option.name], defaults.places[name, key])
            else:
                default = None if callable(option.default) else option.default
                yield Setting(name, key, default, "built in")


def variable_of(command: str, option: Any) -> str:
    """Return the environment variable of an option."""
    return "_".join([PREFIX, *command.split(), option.name or ""]).upper().replace("-", "_")


def refuse_faulty_environment(root: Any, environment: Mapping[str, str]) -> None:
    """Raise InputError for each variable of an option that has a value it does not take."""
    faults = []
    for name, command in commands_of(root):
        for option in options_of(command).values():
            text = environment.get(variable_of(name, option))
            if not text:
                continue
            try:
                given = text.split() if option.multiple else text
                option.process_value(typer.Context(command), given)
            except typer.BadParameter as error:
                faults.append(
                    Fault(
                        source="environment",
                        field=variable_of(name, option),
                        found=describe(text),
                        expected=_expected(error),
                    )
                )
    if faults:
        raise InputError(faults)


def unknown_variables(root: Any, environment: Mapping[str, str]) -> Iterator[Fault]:
    """Yield a warning for each variable that begins as those of options do, and is of none."""
    known = {FILE_VARIABLE}
    for name, command in (("", root), *commands_of(root)):
        known |= {variable_of(name, option) for option in options_of(command).values()}
    for variable in sorted(environment):
        mine = variable.startswith(f"{PREFIX}_") and not variable.startswith(_OF_TESTS)
        if mine and variable not in known:
            near = get_close_matches(variable, sorted(known), n=1, cutoff=_ALIKE)
            yield Fault(
                source="environment",
                field=variable,
                found="an unknown name",
                expected=f"{near[0]}?" if near else f"{FILE_VARIABLE} or that of an option",
            )
