"""Model versions as lists: for people, and for programs."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from rich.console import Console

from workers.runtime.listing import Column, Form, Kind, Listing, Shown
from workers.runtime.moments import said_again
from workers.runtime.registry.care import Holding
from workers.runtime.registry.registry import Activation

_LONG = 6  # entries of a list that are written out
_OWN = ("tensors", "version")  # told in a line of their own
_TOLD = ("provenance", "calibrations", "views")  # of a version alone; a preset has too many values


def list_categories(
    rows: Iterable[tuple[str, int, Activation | None]],
    console: Console,
    form: Form,
    provisional: Collection[str] = (),
    *,
    place: str,
) -> None:
    """One line a category: how many versions, and what is active; some of it is provisional."""
    columns = (
        *(Column("category"), Column("versions", right=True), Column("active"), Column("since")),
        *(Column("by", kind=Kind.SPARE), Column("why", kind=Kind.SPARE)),
    )
    listing = Listing(console, *columns, form=form, title="model store", empty=_none_in(place))
    for name, count, last in rows:
        if last is None:
            listing.add(name, count, *(None,) * 4)
            continue
        said = f"{last.version} (provisional)" if last.version in provisional else last.version
        active = Shown(last.version, said)
        listing.add(name, count, active, _time(last.at), last.by, last.why)
    listing.close()


def _none_in(place: str) -> str:
    return (
        f"no models in {place} (models.store); put one in with "
        "`stream-inspector model push <folder> --activate`"
    )


def list_versions(
    category: str,
    manifests: Mapping[str, Mapping[str, Any]],
    current: str | None,
    console: Console,
    form: Form,
) -> None:
    """One line a version of a category."""
    columns = (
        *(Column("version"), Column("active"), Column("preset")),
        Column("calibration", kind=Kind.SPARE),
    )
    title = f"{category} in the model store"
    listing = Listing(console, *columns, form=form, title=title, empty=f"no versions of {category}")
    for version, manifest in manifests.items():
        calibration = manifest.get("calibrations", {}).get(category, {})
        active = Shown(version == current, "active" if version == current else "", "green")
        preset = _preset(manifest)
        listing.add(version, active, preset, calibration.get("promise"))
    listing.close()


def _preset(manifest: Mapping[str, Any]) -> str | None:
    """Its name, and that the version is provisional where it is."""
    name: str | None = manifest.get("preset", {}).get("name")
    return f"{name} (provisional)" if is_provisional(manifest) else name


def is_provisional(manifest: Mapping[str, Any]) -> bool:
    """Whether a version was made of few images, without a network."""
    return bool(manifest.get("provenance", {}).get("provisional"))


def list_activations(
    histories: Mapping[str, Sequence[Activation]],
    console: Console,
    form: Form,
    version: str | None = None,
) -> None:
    """Who activated what when, and why; of one version only if it is given."""
    columns = (
        *(Column("category"), Column("no.", name="number", right=True), Column("version")),
        *(Column("from"), Column("why", kind=Kind.SPARE), Column("by", kind=Kind.SPARE)),
        Column("until", kind=Kind.EXTRA),
    )
    listing = Listing(console, *columns, form=form, title="activations", empty="never active")
    for category, history in histories.items():
        for entry, successor in zip_longest(history, history[1:]):
            if version in (None, entry.version):
                until = _time(successor.at) if successor else Shown(None, "now")
                known = (category, entry.number, entry.version, _time(entry.at))
                listing.add(*known, entry.why, entry.by, until)
    listing.close()


def tell_version(manifest: Mapping[str, Any], noted: Mapping[str, Any], console: Console) -> None:
    """What a version is made of: origin, preset, thresholds and what they promise."""
    facts = Listing(console, Column(""), Column("", name="value"))
    size = noted.get("bytes")
    tensors = f"{len(manifest['tensors'])}, {megabytes(size) if size else 'size not noted'}"
    own = {
        "version": manifest["version"],
        "pushed": said_again(noted.get("pushed_at", "not noted")),
        "tensors": tensors,
        "preset": _preset(manifest) or "?",
        "categories": ", ".join(manifest.get("categories", ())),
    }
    for name, calibration in manifest.get("calibrations", {}).items():
        own[name] = calibration.get("promise", "no promise")
    for name, value in own.items():
        facts.add(Shown(name, name, "bold"), value)
    facts.close()
    console.print()
    list_values(manifest, console, Form.TABLE)


def list_values(manifest: Mapping[str, Any], console: Console, form: Form) -> None:
    """Where a version comes from, its thresholds and its views, one line a value."""
    listing = Listing(console, Column("setting"), Column("value"), form=form)
    for path, value in _flat({name: manifest.get(name, {}) for name in _TOLD}):
        if value != {}:
            listing.add(path, Shown(value, _shown(value)))
    listing.close()


def list_differences(
    first: Mapping[str, Any],
    second: Mapping[str, Any],
    console: Console,
    form: Form,
    *,
    everything: bool,
) -> None:
    """Two manifests side by side: what differs, or everything."""
    left, right = dict(_flat(first)), dict(_flat(second))
    columns = (
        *(Column("setting"), Column("change")),
        Column(first["version"], name="first", kind=Kind.CUT),
        Column(second["version"], name="second", kind=Kind.CUT),
    )
    listing = Listing(console, *columns, form=form, empty="the two are the same")
    for path in [*left, *(path for path in right if path not in left)]:
        old, new = left.get(path), right.get(path)
        if everything or old != new:
            pair = (Shown(value, _shown(value)) for value in (old, new))
            listing.add(path, _change(old, new), *pair)
    weights, others = first["tensors"], second["tensors"]
    differ = sum(weights.get(name) != others.get(name) for name in weights.keys() | others.keys())
    if everything or differ:
        listing.add("tensors", f"{differ} differ" if differ else "", len(weights), len(others))
    listing.close()


def list_fates(
    fates: Iterable[tuple[Holding, str | None]], console: Console, form: Form, place: str
) -> None:
    """What gc does with each version."""
    columns = (
        *(Column("version"), Column("size", right=True), Column("pushed")),
        *(Column("fate", kind=Kind.CUT), Column("categories", kind=Kind.CUT)),
    )
    listing = Listing(console, *columns, form=form, title="model store", empty=_none_in(place))
    for holding, kept in fates:
        fate = Shown("goes", "goes", "yellow") if kept is None else f"stays: {kept}"
        size = None if holding.size is None else Shown(holding.size, megabytes(holding.size))
        pushed = None if holding.pushed_at is None else _time(holding.pushed_at)
        listing.add(holding.version, size, pushed, fate, list(holding.categories))
    listing.close()


def _time(noted: str) -> Shown:
    return Shown(noted, said_again(noted))


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
