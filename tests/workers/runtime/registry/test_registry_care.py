"""What gc may take, what it must not, and what verify finds."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from stream_inspector.model.manifest import canonical, digest, version_of
from workers.runtime.registry.care import (
    Holding,
    Retention,
    collect,
    histories_of,
    holdings,
    kept_because,
    problems,
)
from workers.runtime.registry.registry import (
    Activation,
    Registry,
    Superseded,
    UnknownVersion,
)
from workers.runtime.store.memory import MemoryBlobs

NOW = datetime(2026, 6, 30, tzinfo=UTC)
LAST = Retention(keep_last=1, keep_days=0)


def later() -> datetime:
    """Every push of a test is over by then."""
    return datetime.now(UTC) + timedelta(minutes=10)


def much_later() -> datetime:
    """And what still is marked was abandoned."""
    return later() + timedelta(hours=1)


def ago(days: float) -> str:
    return (NOW - timedelta(days=days)).isoformat()


def history(*versions: tuple[str, float]) -> list[Activation]:
    """(version, activated so many days ago), oldest first."""
    return [Activation(n, v, "anna", "", ago(days)) for n, (v, days) in enumerate(versions, 1)]


def fate(version: str, entries: list[Activation], pushed: float | None = 100) -> str | None:
    holding = Holding(version, ("bolts",), 1, None if pushed is None else ago(pushed))
    return kept_because(holding, {"nuts": [], "bolts": entries}, Retention(1, 30), NOW)


def test_what_is_active_stays_however_old() -> None:
    assert fate("a", history(("a", 400))) == "active for bolts"


def test_what_was_active_within_retention_is_named_by_events() -> None:
    switched = history(("a", 400), ("b", 29), ("c", 20), ("d", 1))
    assert "events name it" in str(fate("a", switched))  # until 29 days ago
    gone = history(("a", 400), ("b", 31), ("c", 20), ("d", 1))
    assert fate("a", gone) is None
    assert "events name it" in str(fate("b", gone))


def test_the_last_activations_stay_for_a_rollback() -> None:
    entries = history(("a", 400), ("b", 390), ("c", 380))
    holding = Holding("b", ("bolts",), 1, ago(400))
    for keep, kept in ((1, False), (2, True), (9, True)):
        found = kept_because(holding, {"bolts": entries}, Retention(keep, 30), NOW)
        assert bool(found) is kept


def test_what_was_pushed_lately_stays_and_what_has_no_age_too() -> None:
    assert "less than 30 days" in str(fate("x", history(("a", 400)), pushed=29))
    assert fate("x", history(("a", 400)), pushed=31) is None
    assert "nobody noted" in str(fate("x", history(("a", 400)), pushed=None))


def model(seed: int) -> tuple[str, bytes, bytes]:
    """Version, manifest and tensors, as content addressing wants them."""
    weights = {"w": np.full((2, 3), seed, np.float32)}
    manifest: dict[str, Any] = {"tensors": {"w": {"sha256": digest(weights["w"].tobytes())}}}
    version = version_of(manifest)
    return version, canonical(manifest | {"version": version}), save(weights)


@pytest.fixture
def registry() -> Registry:
    return Registry(MemoryBlobs())


def push(registry: Registry, seed: int, *categories: str) -> str:
    return registry.push(categories or ["bolts"], *model(seed))


def found_in(registry: Registry) -> list[str]:
    return list(problems(registry, lambda _: None))


def test_gc_takes_old_versions_and_notes_it(registry: Registry) -> None:
    old, new = push(registry, 1, "bolts", "nuts"), push(registry, 2)
    for version in (old, new):
        registry.activate("bolts", version, "anna", "")
    assert collect(registry, new, LAST, "carl", later()) == "active for bolts"
    assert collect(registry, old, LAST, "carl", later()) is None
    assert registry.every_version() == [new]
    assert registry.versions("nuts") == []
    with pytest.raises(UnknownVersion):
        registry.activate("bolts", old, "anna", "")
    assert found_in(registry) == []  # the first activation names what gc took
    assert push(registry, 1) == old
    assert registry.activate("bolts", old, "anna", "back again") == 3


def test_gc_and_an_activation_at_the_same_moment(registry: Registry) -> None:
    """Whichever step of gc the activation falls on, an active version is never removed."""
    steps = 0
    while True:
        blobs = Interrupting(steps)
        registry = Registry(blobs)
        old, new = push(registry, 1), push(registry, 2)
        for version in (old, new):
            registry.activate("bolts", version, "anna", "")
        refused: list[Exception] = []
        blobs.interruption = lambda r=registry, o=old, f=refused: attempt(r, o, f)
        removed = collect(registry, old, LAST, "carl", later()) is None
        if blobs.interruption is not None:
            break  # it took fewer steps
        activated = registry.active("bolts") == old
        assert removed != activated
        assert bool(refused) != activated
        assert found_in(registry) == []
        steps += 1
    assert steps > 8


def attempt(registry: Registry, version: str, refused: list[Exception]) -> None:
    try:
        registry.activate("bolts", version, "ben", "")
    except (Superseded, UnknownVersion) as error:
        refused.append(error)


class Interrupting(MemoryBlobs):
    """Runs something before the n-th call."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.left = step
        self.interruption: Callable[[], None] | None = None

    def _check(self) -> None:
        if self.interruption is None:
            return
        if self.left == 0:
            run, self.interruption = self.interruption, None
            run()
        self.left -= 1


def test_gc_falls_on_an_activation(registry: Registry) -> None:
    """The other way round: gc as a whole at every step of an activation."""
    steps = 0
    while True:
        blobs = Interrupting(steps)
        registry = Registry(blobs)
        old, new = push(registry, 1), push(registry, 2)
        registry.activate("bolts", new, "anna", "")
        blobs.interruption = lambda r=registry, o=old: collect(r, o, LAST, "c", later())
        refused: list[Exception] = []
        attempt(registry, old, refused)
        if blobs.interruption is not None:
            break
        present = old in registry.every_version()
        assert (registry.active("bolts") == old) != bool(refused)
        assert present or refused, steps
        assert found_in(registry) == []
        steps += 1
    assert steps > 5


def test_a_gc_that_was_cut_short_is_finished_by_the_next(registry: Registry) -> None:
    for cut in range(3, 30):
        blobs = Interrupting(cut)
        registry = Registry(blobs)
        old, new = push(registry, 1), push(registry, 2)
        registry.activate("bolts", new, "anna", "")
        blobs.interruption = die
        with pytest.raises(KeyboardInterrupt):
            collect(registry, old, LAST, "carl", later())
            raise KeyboardInterrupt
        done = blobs.interruption is not None
        blobs.interruption = None
        marked = registry.note(f"models/{old}/collecting.json")
        if marked:
            assert "cut short" in found_in(registry)[0]
            assert collect(registry, old, LAST, "c", later()) == "another gc is at it"
        assert old not in registry.every_version() or (
            collect(registry, old, LAST, "carl", much_later()) is None
        )
        assert registry.every_version() == [new]
        assert found_in(registry) == []
        if done:
            return
    pytest.fail("gc takes more steps than were tried")


def die() -> None:
    raise KeyboardInterrupt


def test_a_claim_of_a_process_that_died_holds_for_an_hour(registry: Registry) -> None:
    version = push(registry, 1)
    claimed = {"at": datetime.now(UTC).isoformat()}
    registry.blobs.write(f"models/{version}/claims/x.json", json.dumps(claimed).encode())
    assert "right now" in str(collect(registry, version, LAST, "carl", later()))
    assert collect(registry, version, LAST, "carl", much_later()) is None


def test_a_sound_store_has_no_problems_and_every_version_an_age(registry: Registry) -> None:
    version = push(registry, 1)
    registry.activate("bolts", version, "anna", "")
    assert found_in(registry) == []
    [holding] = holdings(registry)
    assert holding.categories == ("bolts",)
    assert holding.size == sum(map(len, model(1)[1:]))
    assert histories_of(registry)["bolts"][0].version == version


@pytest.mark.parametrize(
    ("file", "data", "words"),
    [
        ("models/{v}/tensors.safetensors", b"cut", "tensors of version {v}"),
        ("models/{v}/manifest.json", b"{}", "manifest of version {v}"),
        ("models/{v}/manifest.json", None, "no version {v}"),
        (
            "categories/bolts/activations/00000001.json",
            b"{",
            "00000001.json is broken",
        ),
        ("categories/bolts/activations/00000001.json", None, "activation 1 is missing"),
        ("categories/bolts/versions/other.json", b"{}", "bolts: has version other"),
    ],
)
def test_what_is_wrong_is_named(
    registry: Registry, file: str, data: bytes | None, words: str
) -> None:
    version = push(registry, 1)
    for _ in range(2):
        registry.activate("bolts", version, "anna", "")
    name = file.format(v=version)
    if data is None:
        registry.blobs.delete(name)
    else:
        registry.blobs.write(name, data)
    assert words.format(v=version) in "\n".join(found_in(registry))


def test_a_version_under_a_name_that_is_not_its_contents_is_found(registry: Registry) -> None:
    _, manifest, tensors = model(1)
    registry.push(["bolts"], "mine", manifest.replace(model(1)[0].encode(), b"mine"), tensors)
    assert "mine: the manifest says version mine" in found_in(registry)[0]


def test_a_lost_version_is_told_from_one_that_gc_took(registry: Registry) -> None:
    first, second = push(registry, 1), push(registry, 2)
    for version in (first, second):
        registry.activate("bolts", version, "anna", "")
    for name in registry.blobs.names(f"models/{first}/"):
        registry.blobs.delete(name)
    registry.blobs.delete(f"categories/bolts/versions/{first}.json")
    [problem] = found_in(registry)
    assert f"activation 1 names version {first}" in problem
