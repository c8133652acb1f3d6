"""Loaded beside the old one, then swapped; a store that is away changes nothing."""

import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from stream_inspector.errors import ModelCorrupt
from stream_inspector.image.view.canvas import View
from workers.inspector.models.keeper import ModelKeeper
from workers.inspector.models.switchboard import TRUST_S
from workers.inspector.run import unanswered
from workers.runtime.categories import Category, ViewSettings
from workers.runtime.detectors.libraries import LibrariesBroken
from workers.runtime.detectors.loaded import LoadedModel
from workers.runtime.errors import StoreUnavailable
from workers.runtime.registry.registry import Registry
from workers.runtime.store.memory import MemoryBlobs, MemoryStore
from workers.runtime.telemetry.metrics.inspector import InspectorMetrics


class Models:
    """Stores, a keeper, and stand-ins of 10 bytes for models; the name of a version is its data."""

    def __init__(self) -> None:
        self.blobs, self.cache = MemoryBlobs(), MemoryStore()
        self.registry = Registry(self.blobs, self.cache)
        self.loads: list[str] = []
        self.sound: set[str] = set()
        self.sizes: dict[str, int] = {}
        self.alive: list[Any] = []
        self.most = 0  # bytes at the same time
        self.keep(["bolts", "nuts"])

    def keep(self, categories: list[str], limit: int = 2**40) -> None:
        self.metrics = InspectorMetrics()
        self.names = sorted({"bolts", "nuts", *categories})
        self.keeper = ModelKeeper(
            self.registry,
            self.load,
            categories,
            size=lambda manifest: 10,
            limit_bytes=limit,
            metrics=self.metrics,
        )

    def load(self, manifest: bytes, tensors: bytes) -> LoadedModel:
        version = manifest.decode()
        self.loads.append(version)
        if version == "corrupt" and version not in self.sound:
            raise ModelCorrupt("digest")
        model = LoadedModel(
            version,
            dict.fromkeys(self.names, "c"),
            dict.fromkeys(self.names, View((2, 2))),
            lambda *_: [],
            bytes=self.sizes.get(version, 10),
        )
        self.alive = [each for each in self.alive if each() is not None] + [weakref.ref(model)]
        self.most = max(self.most, sum(each().bytes for each in self.alive if each() is not None))
        return model

    def push_and_activate(self, category: str, version: str) -> None:
        self.registry.push([category], version, version.encode(), b"x")
        self.registry.activate(category, version, by="test", why="test")

    def activate(self, category: str, version: str) -> None:
        self.push_and_activate(category, version)
        self.keeper.refresh()

    def versions(self) -> dict[str, str]:
        return self.keeper.models.versions()

    def metric(self, name: str, labels: dict[str, str]) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)

    @contextmanager
    def following(self, every_s: float) -> Iterator[None]:
        stop = threading.Event()
        bodies = (lambda: self.keeper.follow(stop, every_s), lambda: self.keeper.listen(stop))
        threads = [threading.Thread(target=body, daemon=True) for body in bodies]
        for thread in threads:
            thread.start()
        time.sleep(0.05)  # until somebody listens
        yield
        stop.set()
        for thread in threads:
            thread.join(5)
            assert not thread.is_alive()

    def until(self, condition: Callable[[], bool], seconds: float = 5.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.005)


@pytest.fixture
def models() -> Models:
    return Models()


def test_what_is_missing_says_how_to_fix_it(models: Models) -> None:
    models.activate("bolts", "v1")
    assert models.versions() == {"bolts": "v1"}
    assert "model activate" in models.keeper.models.missing["nuts"]
    assert "model push runs/nuts --activate" in models.keeper.models.missing["nuts"]
    assert models.keeper.models.view("nuts") is None


def test_a_new_activation_replaces_the_old(models: Models) -> None:
    models.activate("bolts", "v1")
    models.activate("bolts", "v2")
    assert models.versions() == {"bolts": "v2"}
    models.keeper.refresh()
    assert models.loads == ["v1", "v2"]  # nothing is loaded twice


def test_a_load_is_said_before_it_begins_and_when_it_is_done(models: Models) -> None:
    with capture_logs() as logs:
        models.activate("bolts", "v1")
    said = [(each["event"], each.get("version")) for each in logs]
    begun = said.index(("loading a model, which takes a while", "v1"))
    assert begun < said.index(("model loaded", "v1")) < said.index(("model in use", "v1"))


def test_a_version_for_two_categories_is_loaded_once(models: Models) -> None:
    models.activate("bolts", "unified")
    models.activate("nuts", "unified")
    assert models.loads == ["unified"]
    assert not models.keeper.models.missing


def test_a_version_that_cannot_be_loaded_leaves_the_old_one_in_use(models: Models) -> None:
    models.activate("bolts", "v1")
    models.activate("bolts", "corrupt")
    assert models.versions() == {"bolts": "v1"}
    assert "bolts" not in models.keeper.models.missing  # it can be inspected


def test_stores_that_are_away_leave_the_loaded_model_in_use(models: Models) -> None:
    models.activate("bolts", "v1")
    models.cache.available = models.blobs.available = False
    models.keeper.refresh()
    assert models.versions() == {"bolts": "v1"}


def test_a_refused_version_is_said_once_with_what_goes_on(models: Models) -> None:
    models.activate("bolts", "v1")
    with capture_logs() as logs:
        models.activate("bolts", "corrupt")
        for _ in range(3):
            models.keeper.refresh()
    refused = [each for each in logs if each["event"] == "model version refused"]
    assert [(e["version"], e["goes_on_with"]) for e in refused] == [("corrupt", "v1")]
    assert "digest" in refused[0]["reason"]
    assert models.loads == ["v1", "corrupt"]  # not tried again at once
    assert "version corrupt is refused: ModelCorrupt" in models.keeper.models.held_back["bolts"]
    labels = {"category": "bolts", "version": "corrupt"}
    assert models.metric("inspector_model_refused", labels) == 1
    models.activate("bolts", "v3")
    assert not models.keeper.models.held_back
    assert models.metric("inspector_model_refused", labels) is None


@pytest.mark.slow
def test_a_notice_tries_what_was_refused_again(models: Models) -> None:
    models.activate("bolts", "corrupt")
    models.sound.add("corrupt")  # somebody repairs it
    models.keeper.refresh()
    assert models.versions() == {}
    with models.following(every_s=60.0):
        models.push_and_activate("nuts", "v2")
        models.until(lambda: models.versions() == {"bolts": "corrupt", "nuts": "v2"})


@pytest.mark.slow
def test_an_activation_is_in_use_within_a_second_of_its_notice(models: Models) -> None:
    with models.following(every_s=60.0):
        models.push_and_activate("bolts", "v1")
        models.until(lambda: models.versions() == {"bolts": "v1"}, 1.0)


def test_an_activation_made_while_redis_is_away_is_found_in_the_store(models: Models) -> None:
    models.activate("bolts", "v1")
    models.cache.available = False
    models.activate("bolts", "v2")
    assert models.versions() == {"bolts": "v2"}
    models.cache.available = True
    models.cache.flush()
    models.activate("bolts", "v3")
    assert models.versions() == {"bolts": "v3"}


def test_after_an_outage_redis_is_not_believed_before_the_store(models: Models) -> None:
    models.activate("bolts", "v1")
    models.cache.available = False
    models.push_and_activate("bolts", "v2")
    models.cache.available = True  # it still names v1
    models.keeper.refresh()
    assert models.versions() == {"bolts": "v1"}
    models.keeper.refresh(told=True)  # a notice, or a connection that was renewed
    assert models.versions() == {"bolts": "v2"}
    models.keeper.refresh()
    assert models.versions() == {"bolts": "v2"}


def fresh(models: Models) -> None:
    """A worker that has just started, beside the same stores."""
    models.keep(["bolts", "nuts"])
    models.keeper.refresh()


def test_a_fresh_worker_falls_back_to_what_was_active_before(models: Models) -> None:
    for version in ("v1", "v2", "corrupt"):
        models.push_and_activate("bolts", version)
    with capture_logs() as logs:
        fresh(models)
    assert models.versions() == {"bolts": "v2"}
    assert "bolts" not in models.keeper.models.missing
    held_back = models.keeper.models.held_back["bolts"]
    assert "version corrupt is refused: ModelCorrupt" in held_back
    assert held_back.endswith("inspected with v2")
    labels = {"category": "bolts", "version": "corrupt"}
    assert models.metric("inspector_model_refused", labels) == 1
    assert not [e for e in logs if e.get("category") == "bolts" and "cannot be" in e["event"]]
    models.sound.add("corrupt")
    models.keeper.refresh(told=True)
    assert models.versions() == {"bolts": "corrupt"}
    assert not models.keeper.models.held_back


def test_a_fresh_worker_does_not_fall_back_to_what_was_rolled_back_from(models: Models) -> None:
    models.push_and_activate("bolts", "v1")
    models.push_and_activate("bolts", "v2")
    models.registry.push(["bolts"], "corrupt", b"corrupt", b"x")
    models.registry.activate("bolts", "corrupt", by="anna", why="rollback: v2 misses scratches")
    fresh(models)
    assert models.versions() == {"bolts": "v1"}


def test_a_fresh_worker_waits_for_a_store_that_is_away_and_does_not_fall_back(
    models: Models,
) -> None:
    for version in ("v1", "v2"):
        models.push_and_activate("bolts", version)
    read, models.cache.available = models.blobs.read, False

    def away(name: str) -> bytes:
        if name.startswith("models/v2/"):
            raise StoreUnavailable("no answer")
        return read(name)

    models.blobs.read = away  # type: ignore[method-assign]
    fresh(models)
    assert models.versions() == {}
    assert "no answer" in models.keeper.models.missing["bolts"]


def poison(models: Models, value: bytes) -> None:
    """Whoever may write to Redis sets the pointer, for ever."""
    models.cache.put("stream-inspector:active:bolts", value)


def test_redis_does_not_decide_what_a_fresh_worker_uses(models: Models) -> None:
    for version in ("v1", "v2"):
        models.push_and_activate("bolts", version)
    poison(models, b"v1")
    fresh(models)
    assert models.versions() == {"bolts": "v2"}


@pytest.mark.parametrize("value", [b"v1", b"\xff\xfe", b"../etc", b"x" * 10_000, b" "])
def test_redis_is_not_believed_for_longer_than_a_minute(models: Models, value: bytes) -> None:
    models.activate("bolts", "v1")
    models.push_and_activate("bolts", "v2")
    poison(models, value)
    board = models.keeper._board
    board.look("bolts", time.monotonic() + TRUST_S)
    assert board.active["bolts"] == "v2"
    assert models.registry.mirrored("bolts") in (None, "v2")  # the lie is gone


def test_without_the_store_a_fresh_worker_believes_redis_and_asks_the_store_soon(
    models: Models,
) -> None:
    for version in ("v1", "v2"):
        models.push_and_activate("bolts", version)
    poison(models, b"v1")
    models.keep(["bolts"])
    board = models.keeper._board
    models.blobs.available = False
    board.look("bolts", 0.0)
    assert board.active["bolts"] == "v1"
    models.blobs.available = True
    board.look("bolts", 20.0)
    assert board.active["bolts"] == "v2"


@pytest.mark.slow
def test_a_flood_of_notices_does_not_keep_the_stores_busy(models: Models) -> None:
    models.activate("bolts", "v1")
    asked: list[str] = []
    names = models.blobs.names

    def counted(prefix: str) -> list[str]:
        asked.append(prefix)
        return names(prefix)

    models.blobs.names = counted  # type: ignore[method-assign]
    with models.following(every_s=60.0):
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            models.cache.tell("stream-inspector:changes")
            time.sleep(0.001)
    assert len(asked) <= 40  # a thousand notices


def test_what_ends_the_process_is_not_taken_for_a_broken_version(models: Models) -> None:
    def load(*_: bytes) -> LoadedModel:
        raise LibrariesBroken("only a new process can help")

    models.push_and_activate("bolts", "v1")
    keeper = ModelKeeper(models.registry, load, ["bolts"])
    with pytest.raises(LibrariesBroken):
        keeper.refresh()


def test_a_version_refused_for_one_category_serves_another(models: Models) -> None:
    models.keeper = ModelKeeper(models.registry, models.load, ["bolts", "washers"])
    models.activate("washers", "v1")
    models.activate("bolts", "v1")
    assert models.versions() == {"bolts": "v1"}


class TestMemory:
    """Models of 10 bytes each."""

    @pytest.fixture
    def models(self) -> Models:
        return Models()

    @staticmethod
    def limit(models: Models, limit: int, categories: int = 3) -> list[str]:
        names = [f"c{n}" for n in range(categories)]
        models.keep(names, limit)
        for name in names:
            models.push_and_activate(name, f"{name}-v1")
        return names

    def test_what_has_no_room_is_no_problem_until_it_is_wanted(self, models: Models) -> None:
        self.limit(models, 25)
        models.keeper.refresh()
        assert models.versions() == {"c0": "c0-v1", "c1": "c1-v1"}
        assert not models.keeper.models.missing
        assert not models.keeper.models.held_back
        models.keeper.turn({}, "c0-v1")
        models.keeper.want("c2")
        models.keeper.refresh()
        assert models.versions() == {"c0": "c0-v1", "c2": "c2-v1"}  # c1 was never used

    def test_two_versions_need_room_for_two(self, models: Models) -> None:
        self.limit(models, 15, categories=1)
        models.keeper.refresh()
        models.activate("c0", "c0-v2")
        assert models.versions() == {"c0": "c0-v1"}
        assert "needs 1 MiB beside the version in use" in models.keeper.models.held_back["c0"]
        assert "models.memory_mb" in models.keeper.models.held_back["c0"]

    def test_others_leave_for_a_switch_but_not_the_version_in_use(self, models: Models) -> None:
        self.limit(models, 20, categories=2)
        models.keeper.refresh()
        models.activate("c0", "c0-v2")
        assert models.most == 20  # c0-v1 and c0-v2, for a moment
        assert models.versions() == {"c0": "c0-v2", "c1": "c1-v1"}  # c1 came back
        assert models.loads == ["c0-v1", "c1-v1", "c0-v2", "c1-v1"]

    def test_a_model_that_lies_about_its_size_is_refused(self, models: Models) -> None:
        self.limit(models, 25)
        models.sizes["c0-v2"] = 30
        models.keeper.refresh()
        models.activate("c0", "c0-v2")
        assert models.versions()["c0"] == "c0-v1"
        assert "c0-v2 needs" in models.keeper.models.held_back["c0"]

    def test_the_last_good_version_comes_back_while_the_active_one_is_broken(
        self, models: Models
    ) -> None:
        self.limit(models, 10, categories=2)
        models.keeper.refresh()
        models.keeper.want("c1")  # c0 leaves
        models.keeper.refresh()
        models.keeper.turn({}, "c1-v1")
        models.activate("c0", "corrupt")
        models.keeper.want("c0")
        models.keeper.refresh()
        assert models.versions() == {"c0": "c0-v1"}
        assert "version corrupt is refused" in models.keeper.models.held_back["c0"]

    def test_a_unified_version_counts_once(self, models: Models) -> None:
        models.keep(["c0", "c1", "c2"], 10)
        for name in ("c0", "c1", "c2"):
            models.push_and_activate(name, "unified")
        models.keeper.refresh()
        assert models.versions() == dict.fromkeys(("c0", "c1", "c2"), "unified")
        assert models.metric("inspector_model_memory_bytes", {"kind": "loaded"}) == 10

    def test_the_new_model_waits_until_the_old_one_is_let_go(self, models: Models) -> None:
        self.limit(models, 10, categories=2)
        models.keeper.refresh()
        in_work = [models.keeper.models.version("c0-v1")]  # as a batch holds it
        models.keeper.want("c1")
        loading = threading.Thread(target=models.keeper.refresh)
        loading.start()
        models.until(lambda: "c0" not in models.versions())
        time.sleep(0.05)
        assert models.loads == ["c0-v1"]
        in_work.clear()
        loading.join(5)
        assert models.loads == ["c0-v1", "c1-v1"]


def test_a_version_that_does_not_know_the_category_is_not_used_for_it(models: Models) -> None:
    models.keeper = ModelKeeper(models.registry, models.load, ["bolts", "washers"])
    models.activate("washers", "v1")
    assert models.versions() == {}
    assert "v1 is for bolts, nuts, not for washers" in models.keeper.models.missing["washers"]


@pytest.mark.parametrize(("keep_aspect", "warnings"), [(True, 1), (False, 0)])
def test_a_file_that_asks_for_another_view_is_said_once(
    models: Models, keep_aspect: bool, warnings: int
) -> None:
    asked = Category("bolts", ViewSettings(keep_aspect=keep_aspect))
    trained = Category("bolts", ViewSettings()).fingerprint

    def load(manifest: bytes, tensors: bytes) -> LoadedModel:
        return replace(models.load(manifest, tensors), trained_views={"bolts": trained})

    keeper = ModelKeeper(models.registry, load, ["bolts"], {"bolts": asked})
    models.activate("bolts", "v1")
    with capture_logs() as logs:
        keeper.refresh()
        keeper.refresh()
    assert sum("asks for another view" in each["event"] for each in logs) == warnings
    assert keeper.models.versions() == {"bolts": "v1"}  # inspected all the same


def test_a_store_that_hangs_is_seen_from_outside(models: Models) -> None:
    keeper, release = models.keeper, threading.Event()
    assert unanswered(keeper) is None
    read, models.blobs.names = models.blobs.names, lambda prefix: release.wait(20) and read(prefix)
    looking = threading.Thread(target=keeper.refresh)
    looking.start()
    wait = time.monotonic() + 10
    while keeper.asking_s < 0.05 and time.monotonic() < wait:
        time.sleep(0.01)
    keeper._asking._at -= 100  # a hundred seconds later
    assert "no answer of models.store for 100 s" in str(unanswered(keeper))
    release.set()
    looking.join(20)
    assert (keeper.asking_s, unanswered(keeper)) == (0.0, None)
