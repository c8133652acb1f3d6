"""The model store kept in order: what may go (`model gc`), and whether all is well (`verify`)."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from stream_inspector.errors import ModelCorrupt
from stream_inspector.model.manifest import check_content
from workers.runtime.errors import WorkerError
from workers.runtime.registry.layout import (
    MANIFEST,
    TENSORS,
    activation_file,
    activations_folder,
    aside_file,
    claims_folder,
    collecting_file,
    dump,
    now,
    record_file,
    version_file,
)
from workers.runtime.registry.registry import Activation, Registry

_ABANDONED = timedelta(hours=1)  # no push or activation takes so long: its process has died

Histories = Mapping[str, Sequence[Activation]]  # category -> activations, oldest first


@dataclass(frozen=True, slots=True)
class Retention:
    """What gc leaves alone besides what is active."""

    keep_last: int = 3  # activations of each category, whose versions stay for a rollback
    keep_days: float = 30.0  # as long as outcomes and defects are kept: they name versions


@dataclass(frozen=True, slots=True)
class Holding:
    """A version in the store."""

    version: str
    categories: tuple[str, ...]
    size: int | None  # bytes, when it is known
    pushed_at: str | None  # last, ISO 8601


def kept_because(
    holding: Holding, histories: Histories, retention: Retention, at: datetime
) -> str | None:
    """Why a version has to stay at a moment; None: it may go. Pure."""
    version, oldest = holding.version, at - timedelta(days=retention.keep_days)
    for category, history in histories.items():
        if history and version in (in_use := _in_use(history[-1])):
            return f"{in_use[version]} for {category}"
        last = history[max(0, len(history) - retention.keep_last) :]
        if any(entry.version == version for entry in last):
            return f"in the last {retention.keep_last} activations of {category}"
        for entry, successor in pairwise(history):
            if entry.version == version and (_moment(successor.at) or at) > oldest:
                return f"was active for {category} until {successor.at}: events name it"
    pushed_at = _moment(holding.pushed_at)
    if pushed_at is None:  # without a category it is what a broken push or gc left
        return "nobody noted when it was pushed: push it again" if holding.categories else None
    if pushed_at > oldest:
        return f"pushed less than {retention.keep_days:g} days ago"
    return None


def _in_use(entry: Activation) -> dict[str, str]:
    """The versions that an activation has in use."""
    beside = {entry.trial.version: "on trial"} if entry.trial else {}
    return beside | {entry.version: "active"}


def holdings(registry: Registry) -> list[Holding]:
    """Every version of the store."""
    owners = {name: registry.versions(name) for name in registry.categories()}
    return [_holding(registry, version, owners) for version in registry.every_version()]


def histories_of(registry: Registry) -> Histories:
    """Every activation of every category."""
    return {category: registry.history(category) for category in registry.categories()}


def collect(
    registry: Registry, version: str, retention: Retention, by: str, at: datetime
) -> str | None:
    """Remove a version, unless somebody needs it after all: then why.

    The mark is set before anybody's claim and activations are looked at: see `Registry.claimed`.
    """
    blobs, mark = registry.blobs, collecting_file(version)
    if not blobs.create(mark, dump({"at": now(), "by": by})):
        noted = _moment(registry.note(mark).get("at"))
        if noted is None or at - noted < _ABANDONED:
            return "another gc is at it"
    reason: str | None = "its state could not be read"
    try:
        owners = {name: registry.versions(name) for name in registry.categories()}
        holding = _holding(registry, version, owners)
        reason = _claimed(registry, version, at) or kept_because(
            holding, histories_of(registry), retention, at
        )
    finally:
        if reason:
            blobs.delete(mark)
    if reason is None:
        _remove(registry, holding, by)
    return reason


def _remove(registry: Registry, holding: Holding, by: str) -> None:
    """The category's entries first: without one nobody can activate the version."""
    blobs, version = registry.blobs, holding.version
    for category in holding.categories:
        blobs.delete(version_file(category, version))
    record = {"version": version, "categories": list(holding.categories), "by": by, "at": now()}
    blobs.write(record_file(version), dump(record))
    mark = collecting_file(version)
    for name in blobs.names(f"models/{version}/"):
        if name != mark:
            blobs.delete(name)
    registry.cache.drop(version)
    blobs.delete(mark)


def problems(registry: Registry, looked_at: Callable[[str], None]) -> Iterator[str]:
    """What is wrong in the store, each with the name of what it concerns. Reads every byte."""
    sound = set()
    for version in registry.every_version():
        looked_at(version)
        problem = _problem(registry, version)
        if problem:
            yield problem
        else:
            sound.add(version)
    for category in registry.categories():
        missing = [each for each in registry.versions(category) if each not in sound]
        for version in missing:
            yield f"{category}: has version {version}, whose files are missing or wrong"
        yield from _wrong_activations(registry, category, sound)


def _problem(registry: Registry, version: str) -> str | None:
    blobs = {name.rpartition("/")[2] for name in registry.blobs.names(f"models/{version}/")}
    if not blobs & {MANIFEST, TENSORS} and "collecting.json" not in blobs:
        return None  # somebody's claim on what is not there
    if "collecting.json" in blobs:
        return f"{version}: being removed, or its removal was cut short: run `model gc --apply`"
    try:
        found = check_content(*registry.stored(version))
    except (WorkerError, ModelCorrupt) as error:
        return f"{version}: {error}"
    return None if found == version else f"{version}: its content is version {found}"


def _wrong_activations(registry: Registry, category: str, sound: Iterable[str]) -> Iterator[str]:
    yield from _wrong_records(registry, category)
    history = registry.history(category)
    for entry in history:
        active = entry is history[-1]
        if entry.version in sound:
            continue
        if active:
            yield f"{category}: the active version {entry.version} is missing or wrong"
        elif not registry.note(record_file(entry.version)):
            yield (
                f"{category}: activation {entry.number} names version {entry.version}, which is "
                "missing or wrong, and no gc removed it"
            )


def _wrong_records(registry: Registry, category: str) -> Iterator[str]:
    """Records that are none, that look like some, and numbers that are missing."""
    for name, reason in broken_activations(registry, category):
        yield f"{name} is broken and passed over: {reason}; `model verify --repair` moves it aside"
    numbers = registry.activations.numbers(category)
    records = {activation_file(category, number) for number in numbers}
    for name in registry.blobs.names(activations_folder(category)):
        if name.endswith(".json") and name not in records:
            yield f"{name} is no activation, by its name, and passed over: delete it"
    for number in sorted(set(range(1, max(numbers, default=0))) - set(numbers)):
        if not registry.blobs.names(aside_file(activation_file(category, number))):
            later = min(each for each in numbers if each > number)
            yield f"{category}: activation {number} is missing; the next is {later}"
            return


def broken_activations(registry: Registry, category: str) -> Iterator[tuple[str, str]]:
    """Records that cannot be read or are none: their names, and why. Raises StoreUnavailable."""
    for number in registry.activations.numbers(category):
        reason = registry.activations.fault(category, number)
        if reason is not None:
            yield activation_file(category, number), reason


def set_aside(registry: Registry) -> Iterator[str]:
    """Move broken records out of the way, so that nobody meets them again; says what went where.

    Raises StoreUnavailable, also when one may not be read.
    """
    for category in registry.categories():
        for name, _ in list(broken_activations(registry, category)):
            data, place = registry.blobs.read(name), aside_file(name)
            while not registry.blobs.create(place, data):
                place += "~"
            registry.blobs.delete(name)
            yield f"{name} -> {place}"


def _claimed(registry: Registry, version: str, at: datetime) -> str | None:
    for name in registry.blobs.names(claims_folder(version)):
        claimed_at = _moment(registry.note(name).get("at"))
        if claimed_at is None or at - claimed_at < _ABANDONED:
            return "somebody pushes or activates it right now"
    return None


def _holding(registry: Registry, version: str, owners: Mapping[str, Sequence[str]]) -> Holding:
    categories = tuple(name for name, versions in owners.items() if version in versions)
    noted = registry.digests(version)
    pushed = [registry.note(version_file(name, version)).get("pushed_at") for name in categories]
    known = [str(each) for each in (noted.get("pushed_at"), *pushed) if _moment(each)]
    size = noted.get("bytes")
    return Holding(
        version, categories, size if type(size) is int else None, max(known, default=None)
    )


def _moment(text: object) -> datetime | None:
    """A noted time; None when nobody can have noted it so."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else None
