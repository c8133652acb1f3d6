"""Model versions on the terminal."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from workers.runtime.host.terminal import Table, text
from workers.runtime.registry.care import Holding
from workers.runtime.registry.registry import Activation

_LONG = 6  # entries of a list that are written out
_OWN = ("tensors", "version")  # told in a line of their own
_TOLD = ("provenance", "calibrations", "views")  # of a version alone; a preset has too many values


def categories_table(rows: Iterable[tuple[str, int, Activation | None]]) -> Table:
    """One row a category: how many versions, and what is active."""
    table = Table("category", "versions", "active", "since", "by", "why", title="model store")
    for name, count, last in rows:
        about = (last.version, last.at, last.by, last.why) if last else ("none", "", "", "")
        table.add_row(name, str(count), *about)
    return table


def versions_table(
    category: str, manifests: Mapping[str, Mapping[str, Any]], current: str | None
) -> Table:
    """One row a version of a category."""
    table = Table("version", "", "preset", "calibration", title=f"{category} in the model store")
    for version, manifest in manifests.items():
        calibration = manifest.get("calibrations", {}).get(category, {})
        active = Text("active", style="green") if version == current else ""
        preset = manifest.get("preset", {}).get("name", "?")
        table.add_row(version, active, text(preset), text(calibration.get("promise", "none")))
    return table


def activations_table(
    histories: Mapping[str, Sequence[Activation]], version: str | None = None
) -> Table:
    """Who activated what when, and why; of one version only if it is given."""
    table = Table("category", "no.", "version", "from", "until", "by", "why", title="activations")
    for category, history in histories.items():
        for entry, successor in zip_longest(history, history[1:]):
            if version in (None, entry.version):
                until = successor.at if successor else "now"
                table.add_row(
                    category,
                    str(entry.number),
                    entry.version,
                    entry.at,
                    until,
                    text(entry.by),
                    text(entry.why),
                )
    return table


def version_details(manifest: Mapping[str, Any], noted: Mapping[str, Any]) -> RenderableType:
    """What a version is made of: origin, preset, thresholds and what they promise."""
    facts = Table.grid(padding=(0, 2))
    size = noted.get("bytes")
    tensors = f"{len(manifest['tensors'])}, {megabytes(size) if size else 'size not noted'}"
    own = {
        "version": manifest["version"],
        "pushed": noted.get("pushed_at", "not noted"),
        "tensors": tensors,
        "preset": manifest.get("preset", {}).get("name", "?"),
        "categories": ", ".join(manifest.get("categories", ())),
    }
    for name, value in own.items():
        facts.add_row(Text(name, style="bold"), text(value))
    promises = [
        Text(f"{name}: {calibration.get('promise', 'no promise')}")
        for name, calibration in manifest.get("calibrations", {}).items()
    ]
    table = Table("", "value")
    for path, value in _flat({name: manifest.get(name, {}) for name in _TOLD}):
        if value != {}:
            table.add_row(text(path), text(_shown(value)))
    return Group(facts, *promises, table)


def difference_table(
    first: Mapping[str, Any], second: Mapping[str, Any], *, everything: bool
) -> Table:
    """Two manifests side by side: what differs, or everything."""
    left, right = dict(_flat(first)), dict(_flat(second))
    table = Table("", first["version"], second["version"], "change")
    for path in [*left, *(path for path in right if path not in left)]:
        old, new = left.get(path), right.get(path)
        if everything or old != new:
            table.add_row(text(path), text(_shown(old)), text(_shown(new)), text(_change(old, new)))
    weights, others = first["tensors"], second["tensors"]
    differ = sum(weights.get(name) != others.get(name) for name in weights.keys() | others.keys())
    if everything or differ:
        change = f"{differ} differ" if differ else ""
        table.add_row("tensors", str(len(weights)), str(len(others)), change)
    table.caption = None if table.row_count else "the two are the same"
    return table


def fates_table(fates: Iterable[tuple[Holding, str | None]]) -> Table:
    """What gc does with each version."""
    table = Table("version", "categories", "size", "pushed", "fate", title="model store")
    for holding, kept in fates:
        fate = Text("goes", style="yellow") if kept is None else Text(f"stays: {kept}")
        size = "?" if holding.size is None else megabytes(holding.size)
        names = ", ".join(holding.categories) or "none"
        table.add_row(holding.version, names, size, holding.pushed_at or "?", fate)
    return table


def megabytes(size: int) -> str:
    """Bytes for people."""
    return f"{size / 1e6:.1f} MB"


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a manifest but its own lines, by path."""
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            if path or name not in _OWN:
                yield from _flat(inner, f"{path} {name}".strip())
    else:
        yield path, value


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list) and len(value) > _LONG:
        return f"{len(value)} values, {_shown(value[0])} .. {_shown(value[-1])}"
    if isinstance(value, list):
        return ", ".join(_shown(each) for each in value) or "none"
    return str(value)


def _change(old: Any, new: Any) -> str:
    """By how much a figure changed: counts by a number, measures in percent."""
    if old == new:
        return ""
    if type(old) is type(new) is int:
        return f"{new - old:+d}"
    if type(old) is type(new) is float and old:
        return f"{(new - old) / abs(old):+.1%}"
    return "differs"
