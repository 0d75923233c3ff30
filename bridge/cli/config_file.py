"""The file of options, in YAML or JSON, that `--config` names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bridge.errors import ConfigurationError, OptionError
from bridge.tables.catalog import tables

Options = dict[str, str]


class NameGivenTwiceError(yaml.MarkedYAMLError):
    """A file gives a name twice; of the two values, YAML would take the last one."""


class _Loader(yaml.SafeLoader):
    """Leaves each value as it was typed: YAML takes 0123 for 83, and a password of digits would lose its zeros."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for name in (name for name, _value in node.value if name.tag != "tag:yaml.org,2002:merge"):
            if str(name.value) in seen:
                raise NameGivenTwiceError(problem_mark=name.start_mark)
            seen.add(str(name.value))
        return super().construct_mapping(node, deep)


def _as_typed(loader: _Loader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


def _as_moment(loader: _Loader, node: yaml.ScalarNode) -> str:
    typed = _as_typed(loader, node)
    # The API wants a T between date and time.
    return str(loader.construct_yaml_timestamp(node).isoformat()) if " " in typed else typed


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _as_moment)
for _type in ("bool", "int", "float", "value"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_type}", _as_typed)


def read_options(path: Path) -> tuple[Options, dict[str, Options]]:
    """Return the options of the connection, and those of each table; raises ConfigurationError or OptionError."""
    document = _parsed(path)
    named = document.pop("tables", None) or {} if isinstance(document, dict) else None
    if not isinstance(named, dict):
        raise ConfigurationError(f"{path} must contain names and values, and those of each table under tables.")
    return _texts(document, path), {str(name): _texts(values or {}, path) for name, values in named.items()}


def _parsed(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8-sig"), _Loader) or {}  # noqa: S506  (it is a safe one)
    # Endless brackets exhaust the stack.
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        # The parser's message quotes the line, which may contain a password.
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise ConfigurationError(f"{path} cannot be read as YAML or JSON ({type(error).__name__}{where}).") from None


def _texts(values: Any, path: Path) -> dict[str, str]:
    """Return YAML values as the texts that options are; null means unset."""
    if not isinstance(values, Mapping):
        raise ConfigurationError(f"{path} must contain names and values, and those of each table under tables.")
    given = {str(name): value for name, value in values.items() if value is not None}
    for name, value in given.items():
        if isinstance(value, Mapping) and name in tables():
            raise OptionError(f"{path}: {name} is a table; its options belong under tables.")
        if not isinstance(value, str):
            raise OptionError(f"{path}: the option {name} must have one value; several are separated by commas.")
    return given
