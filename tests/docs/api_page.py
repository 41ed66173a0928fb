"""The generated parts of docs/api.md: signatures and docstrings of the public names."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Final, Literal, get_args, get_origin

import placer

_MOST_COLUMNS: Final = 92


class ApiBlocks(Mapping[str, str]):
    """The block of any list of public names: ``"Host, RunningDomain"``."""

    def __getitem__(self, key: str) -> str:
        names = key.split(", ")
        if not set(names) <= set(placer.__all__):
            raise KeyError(key)
        return "\n\n".join(_entry(name) for name in names)

    def __iter__(self) -> Iterator[str]:
        return iter(placer.__all__)

    def __len__(self) -> int:
        return len(placer.__all__)


def members(value: type) -> dict[str, Any]:
    """Return the public methods and properties that a class of placer's own defines itself.

    What an engine is asked is between the package and its engines.
    """
    if value is placer.Engine:
        return {}
    return {
        name: member
        for name, member in vars(value).items()
        if not name.startswith("_")
        and (inspect.isroutine(member) or _is_property(member) or isinstance(member, classmethod))
    }


def _is_property(member: Any) -> bool:
    return isinstance(member, property) or type(member).__name__ == "cached_property"


def _entry(name: str) -> str:
    value = getattr(placer, name)
    if isinstance(value, str):
        return f"### `{name}`\n\nThe version, `{value}`."
    parts = [f"### `{name}`", _python(_signature(name, value)), _text(value)]
    if inspect.isclass(value):
        for inner, member in members(value).items():
            parts.append(f"#### `{name}.{inner}`\n\n" + _member(inner, member))
    return "\n\n".join(parts)


def _member(name: str, member: Any) -> str:
    function = getattr(member, "__func__", member)
    if _is_property(member):
        function = getattr(member, "fget", None) or member.func
        returned = _type(inspect.signature(function).return_annotation, function.__module__)
        return f"{_python(f'{name}: {returned}')}\n\n{_text(function)}"
    line = _call(name, list(inspect.signature(function).parameters.values())[1:], function)
    prefix = "@classmethod\n" if isinstance(member, classmethod) else ""
    return f"{_python(prefix + line)}\n\n{_text(function)}"


def _python(code: str) -> str:
    return f"```python\n{code}\n```"


def _text(value: Any) -> str:
    return re.sub(r"``([^`]+)``", r"`\1`", inspect.cleandoc(value.__doc__))


def _signature(name: str, value: Any) -> str:
    if not inspect.isclass(value):
        return _call(name, list(inspect.signature(value).parameters.values()), value)
    if issubclass(value, placer.PlacerError):
        own = "__init__" in vars(value)
        shown = list(inspect.signature(value.__init__).parameters.values())[1:] if own else []
        call = _call(name, shown, value, returns="") if own else f"{name}(message: str)"
        return f"{call}  # a {value.__bases__[0].__name__}, exit code {value.exit_code}"
    if not is_dataclass(value):
        return f"class {name}"
    shown = [_parameter(field) for field in fields(value)]
    return _call(name, shown, value, returns="")


def _parameter(field: Field[Any]) -> inspect.Parameter:
    default: Any = inspect.Parameter.empty
    if field.default is not MISSING:
        default = field.default
    elif field.default_factory is not MISSING:
        default = ...
    kind = (
        inspect.Parameter.KEYWORD_ONLY if field.kw_only else inspect.Parameter.POSITIONAL_OR_KEYWORD
    )
    return inspect.Parameter(field.name, kind, default=default, annotation=field.type)


def _call(
    name: str, parameters: list[inspect.Parameter], value: Any, returns: str | None = None
) -> str:
    """Return a signature on one line, or with a line for each parameter."""
    shown = []
    starred = False
    for parameter in parameters:
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and not starred:
            shown.append("*")
            starred = True
        text = f"{parameter.name}: {_type(parameter.annotation, value.__module__)}"
        if parameter.default is not inspect.Parameter.empty:
            text += f" = {_default(parameter.default)}"
        shown.append(text)
    if returns is None:
        annotation = inspect.signature(value).return_annotation
        returns = f" -> {_type(annotation, value.__module__)}"
    line = f"{name}({', '.join(shown)}){returns}"
    if len(line) <= _MOST_COLUMNS:
        return line
    return f"{name}(\n" + "".join(f"    {text},\n" for text in shown) + f"){returns}"


def _default(value: Any) -> str:
    if value is ...:
        return "..."
    if type(value).__module__.startswith("placer."):
        return "..."
    return repr(value)


def _type(annotation: Any, module: str) -> str:
    """Return an annotation as it is written, with the aliases of choices and calls spelt out."""
    text = annotation if isinstance(annotation, str) else str(annotation)
    home = vars(sys.modules[module])

    def spelt(match: re.Match[str]) -> str:
        value = home.get(match[0])
        if get_origin(value) is Literal:
            return f"Literal[{', '.join(repr(choice) for choice in get_args(value))}]"
        if get_origin(value) is Callable:
            return str(value).removeprefix("collections.abc.")
        return match[0]

    return re.sub(r"\b[A-Z]\w+\b(?!\[)", spelt, text) if "Literal[" not in text else text
