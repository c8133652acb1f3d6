"""The report for people: a table for every part."""

from collections.abc import Mapping, Sequence
from typing import Any


def markdown(found: Mapping[str, Any]) -> str:
    """All parts that there are so far."""
    lines = ["# The paper's row on this machine", ""]
    for name, part in found.items():
        lines += [f"## {name}", "", *_part(part), ""]
    return "\n".join(lines)


def _part(part: Any) -> list[str]:
    if isinstance(part, Mapping):
        nested = {k: v for k, v in part.items() if isinstance(v, Mapping)}
        plain = [f"- {k}: {v}" for k, v in part.items() if k not in nested]
        rows = [{"": name, **_flat(row)} for name, row in nested.items()]
        return [*plain, *([""] if plain and rows else []), *_table(rows)]
    return _table([_flat(row) for row in part])


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Figures of figures by joined names; lists are for programs."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            flat |= {f"{name} {key}": each for key, each in _flat(value).items()}
        elif not isinstance(value, list):
            flat[name] = value
    return flat


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return []
    heads = list(dict.fromkeys(name for row in rows for name in row))
    said = [[_said(row.get(head)) for head in heads] for row in rows]
    return [_line(heads), "|---" * len(heads) + "|", *map(_line, said)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _said(value: Any) -> str:
    return "" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)
