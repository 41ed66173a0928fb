"""YAML that somebody else wrote: plain values, with the line of each field in faults."""

from __future__ import annotations

from typing import Any

from placer.errors import Fault, InputError

Path = tuple[str | int, ...]


class YamlDocument:
    """One parsed document; ``value`` is made of dicts, lists, strings and numbers alone."""

    def __init__(self, text: str, source: str) -> None:
        """Parse ``text``; InputError where it is no YAML, or uses tags or aliases."""
        import yaml

        self.source = source
        self._lines: dict[Path, int] = {}

        class Loader(yaml.SafeLoader):
            """SafeLoader without aliases, which can make a small text a huge value."""

            def compose_node(self, parent: Any, index: Any) -> Any:
                if self.check_event(yaml.AliasEvent):
                    mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
                    raise yaml.MarkedYAMLError(problem="an alias", problem_mark=mark)
                return super().compose_node(parent, index)

        loader: Loader | None = None
        try:
            loader = Loader(text)
            node = loader.get_single_node()
            self.value: Any = None if node is None else self._plain(loader, node, ())
        except yaml.MarkedYAMLError as error:
            marked = error.problem_mark
            line = None if marked is None else marked.line + 1
            raise self._error("YAML", str(error.problem), "a YAML document", line) from None
        except (yaml.YAMLError, ValueError, RecursionError) as error:
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
