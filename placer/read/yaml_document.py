"""YAML that somebody else wrote: plain values, with the line of each field in faults."""

from __future__ import annotations

from typing import Any, Final

from placer.errors import Fault, InputError

Path = tuple[str | int, ...]

_MOST_EVENTS: Final = 400_000
"""Values, and begins and ends of lists and mappings: some 1 KiB each while they are read."""

_MOST_DEPTH: Final = 64
_MOST_SIGNS: Final = 64
"""Of a number or a date; more of them take time by the square of their number."""


def _refuse_bombs(text: str, loader: Any) -> None:
    """Raise MarkedYAMLError for aliases, tags, what nests too deeply, and very many values."""
    import yaml

    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=loader)):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        problem = ""
        if isinstance(event, yaml.AliasEvent):
            problem = "an alias"
        elif getattr(event, "tag", None) is not None:
            problem = "a tag"
        elif depth > _MOST_DEPTH:
            problem = "values nested too deeply"
        elif number > _MOST_EVENTS:
            problem = f"more than {_MOST_EVENTS} values"
        if problem:
            mark: Any = event.start_mark
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


class YamlDocument:
    """One parsed document; ``value`` is made of dicts, lists, strings and numbers alone."""

    def __init__(self, text: str, source: str) -> None:
        """Parse ``text``; InputError where it is no YAML, or uses tags or aliases."""
        import yaml

        self.source = source
        self._lines: dict[Path, int] = {}
        # That of libyaml is ten times as fast, but not built everywhere.
        fast: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        loader: Any = None
        try:
            _refuse_bombs(text, fast)
            loader = fast(text)
            node = loader.get_single_node()
            self.value: Any = None if node is None else self._plain(loader, node, ())
        except yaml.MarkedYAMLError as error:
            marked = error.problem_mark
            # The end of a text has the line after its last one.
            line = None if marked is None else min(marked.line, text.rstrip("\n").count("\n")) + 1
            raise self._error("YAML", str(error.problem), "a YAML document", line) from None
        except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
            deep = isinstance(error, RecursionError)
            told = "values nested too deeply" if deep else str(error).splitlines()[0][:120]
            raise self._error("YAML", told, "a YAML document", None) from None
        finally:
            if loader is not None:
                loader.dispose()

    def _plain(self, loader: Any, node: Any, path: Path) -> Any:
        """Return the value of a node, and note its line."""
        import yaml

        self._lines[path] = node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode):
            found = {}
            for key_node, value_node in node.value:
                key = str(loader.construct_object(key_node))
                if key in found:
                    mark = key_node.start_mark
                    raise yaml.MarkedYAMLError(problem=f"the key {key!r} again", problem_mark=mark)
                found[key] = self._plain(loader, value_node, (*path, key))
            return found
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(loader, item, (*path, k)) for k, item in enumerate(node.value)]
        if len(node.value) > _MOST_SIGNS and not node.tag.endswith(":str"):
            told = f"a value of {len(node.value)} signs"
            raise yaml.MarkedYAMLError(problem=told, problem_mark=node.start_mark)
        return loader.construct_object(node)

    def _error(self, name: str, found: str, expected: str, line: int | None) -> InputError:
        return InputError(
            Fault(source=self.source, field=name, found=found, expected=expected, line=line)
        )

    def refuse(self, path: Path, found: str, expected: str) -> InputError:
        """Return the error of the field at ``path``, with its line or that of what holds it."""
        known = path
        while known and known not in self._lines:
            known = known[:-1]
        name = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")
        return self._error(name or "document", found, expected, self._lines.get(known))

    def table(self, path: Path, value: Any) -> dict[str, Any]:
        """Return a mapping; InputError where ``value``, of the field at ``path``, is none."""
        if not isinstance(value, dict):
            raise self.refuse(path, repr(value)[:40], "a mapping")
        return value

    def list_of(self, path: Path, value: Any) -> list[Any]:
        """Return a list; InputError where ``value``, of the field at ``path``, is none."""
        if not isinstance(value, list):
            raise self.refuse(path, repr(value)[:40], "a list")
        return value
