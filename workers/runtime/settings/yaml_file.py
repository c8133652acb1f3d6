"""YAML whose scalars stay the text that somebody wrote: the setting's own type says what it means.

YAML itself makes 1 of `name: 001`, true of `on`, 1.1 of `1.10` and a date of `2026-01-31`.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from workers.runtime.errors import SettingsError

_KEPT = frozenset({"tag:yaml.org,2002:null", "tag:yaml.org,2002:merge"})
_BY_HELM = re.compile(r"-?\d(\.\d+)?e\+\d\d")  # a large whole number, as Go writes it


class _Loader(yaml.SafeLoader):
    """Knows text, lists, mappings and nothing (`null`, `~`, an empty value)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping whose keys are given once: YAML itself takes the last and says nothing."""
        seen = set[str]()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                problem = f"the key {key.value} is given twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _text(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
    text = str(loader.construct_scalar(node))
    if node.style is None and _BY_HELM.fullmatch(text) and float(text).is_integer():
        return str(int(float(text)))
    return text


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in _KEPT]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_constructor("tag:yaml.org,2002:str", _text)


def read_yaml(file: Path) -> dict[str, Any]:
    """A YAML file that holds a mapping. Raises SettingsError naming the file."""
    try:
        content = read_value(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"{file}: is not YAML: {place(error)}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        kind = "text" if isinstance(content, str) else type(content).__name__
        raise SettingsError(f"{file}: must hold `key: value` lines, not a {kind}")
    return content


def read_value(text: str) -> Any:
    """YAML as text, lists and mappings. Raises yaml.YAMLError."""
    return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader that knows less


def place(error: Exception) -> str:
    """What is wrong where, without the line itself: a secret may stand there."""
    mark = getattr(error, "problem_mark", None)
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start + 1} is no UTF-8; save the file as UTF-8"
    if mark is None:
        return getattr(error, "reason", None) or type(error).__name__
    problem = getattr(error, "problem", None) or "cannot be read"
    return f"{problem}, line {mark.line + 1}, column {mark.column + 1}"
