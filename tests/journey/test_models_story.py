"""Models come, change and leave while frames flow: none is lost, none waits for a loading."""

import threading
import time
import weakref
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from schemas.frame import Frame
from schemas.outcome import Outcome
from stream_inspector.image.view.canvas import View
from stream_inspector.verdict import Grade, Image, Verdict
from workers.runtime.detectors.loaded import LoadedModel

SIZE = (32, 32)
MIB = 2**20


def number(version: str) -> float:
    """What a version gives every frame: "bolts-v7" scores 7."""
    return float(version.rpartition("v")[2])


class Loader:
    """Loads stand-ins of 1 MiB whose score tells who scored, and keeps book."""

    def __init__(self, *categories: str, load_s: float = 0.0, batch_s: float = 0.0) -> None:
        self.categories, self.load_s, self.batch_s = categories, load_s, batch_s
        self.loading = threading.Event()
        self.batches: list[tuple[str, tuple[str, ...]]] = []  # version, categories
        self.alive: list[Any] = []
        self.most = 0  # models at the same time
        self.loads = 0

    def size(self, manifest: bytes) -> int:
        return MIB

    def __call__(self, manifest: bytes, tensors: bytes) -> LoadedModel:
        version = manifest.decode()
        self.loads += 1
        self.loading.set()
        time.sleep(self.load_s)
        self.loading.clear()

        def inspect(
            images: Sequence[Image], sizes: Sequence[tuple[int, int]], categories: Sequence[str]
        ) -> list[Verdict]:
            self.batches.append((version, tuple(categories)))
            time.sleep(self.batch_s)
            empty = np.zeros(SIZE, np.float32)
            return [Verdict(Grade.PASS, number(version), 99.0, 99.0, (), empty)] * len(images)

        views = dict.fromkeys(self.categories, View(SIZE))
        calibrations = dict.fromkeys(self.categories, f"calibration of {version}")
        model = LoadedModel(version, calibrations, views, inspect, bytes=MIB)
        self.alive = [each for each in self.alive if each() is not None] + [weakref.ref(model)]
        self.most = max(self.most, len(self.alive))
        return model


def assert_one_version_each(outcomes: Sequence[Outcome]) -> None:
    """What scored a frame is what its outcome names, calibration included."""
    for outcome in outcomes:
        version = outcome.model_version
        assert version is not None
        assert outcome.image_score == number(version)
        assert outcome.calibration_id == f"calibration of {version}"


def waits_ms(outcomes: Sequence[Outcome]) -> list[float]:
    return [o.latencies.batch_wait_ms for o in outcomes if o.latencies]


@pytest.mark.slow
def test_a_batch_is_scored_by_one_version_also_across_switches(
    stage: Any, make_frame: Callable[..., Frame], picture: Callable[..., bytes]
) -> None:
    loader, data = Loader("bolts", "nuts", batch_s=0.003), picture(200)
    active = {"bolts": "bolts-v1", "nuts": "nuts-v2"}
    stage.activate("nuts", "nuts-v2")
    stage.start(loader, **{"models.refresh_s": 0.01, "worker.batch_max": 4})
    stage.send(make_frame(data))
    stage.outcomes_of(1)  # it has started
    sent = 1
    for switch in range(3, 23):
        for category in ("bolts", "nuts"):
            for _ in range(6):
                stage.send(make_frame(data, sequence=sent, category=category))
                sent += 1
        category = "bolts" if switch % 2 else "nuts"
        active[category] = f"{category}-v{switch}"
        stage.activate(category, active[category])
        time.sleep(0.02)
    outcomes = stage.outcomes_of(sent)
    stage.until(lambda: stage.inspectors[0]._keeper.models.versions() == active)

    assert len({o.outcome_id for o in outcomes}) == sent == len(outcomes)
    assert len({o.model_version for o in outcomes}) > 5  # it did switch under way
    assert_one_version_each(outcomes)
    for version, categories in loader.batches:
        assert set(categories) == {version.rpartition("-")[0]}


@pytest.mark.slow
def test_no_frame_waits_longer_than_a_batch_because_a_model_is_loading(
    stage: Any, make_frame: Callable[..., Frame], picture: Callable[..., bytes]
) -> None:
    loader, data = Loader("bolts", batch_s=0.05), picture(200)
    stage.start(loader, **{"categories.names": ["bolts"]})
    stage.send(make_frame(data))
    stage.outcomes_of(1)
    loader.load_s = 1.0
    stage.activate("bolts", "bolts-v2")
    assert loader.loading.wait(5)
    while loader.loading.is_set():
        stage.send(make_frame(data, captured_at=datetime.now(UTC)))
        time.sleep(0.02)
    meanwhile = stage.outcomes()[1:]
    assert len(meanwhile) > 20
    assert {o.model_version for o in meanwhile} == {"bolts-v1"}
    # at most the batch before and the age limit (5 ms); the rest is for a busy machine
    assert max(waits_ms(meanwhile)) < 50 + 5 + 100
    stage.until(lambda: stage.inspectors[0]._keeper.models.versions() == {"bolts": "bolts-v2"})


@pytest.mark.parametrize("patience_s", [0.0, 0.2])
@pytest.mark.slow
def test_twenty_categories_share_the_memory_of_three(
    stage: Any,
    make_frame: Callable[..., Frame],
    picture: Callable[..., bytes],
    patience_s: float,
) -> None:
    names = [f"part{n}" for n in range(20)]
    loader, data = Loader(*names, load_s=0.02, batch_s=0.005), picture(200)
    for n, name in enumerate(names):
        stage.activate(name, f"{name}-v{n}")
    stage.start(
        loader,
        **{"categories.names": names, "models.memory_mb": 3, "models.patience_s": patience_s},
    )
    shuffled = np.random.default_rng(1).permutation(names * 10).tolist()
    for sequence, name in enumerate(shuffled):
        stage.send(make_frame(data, sequence=sequence, category=name))
    outcomes = stage.outcomes_of(len(shuffled))

    assert len({o.outcome_id for o in outcomes}) == len(shuffled) == len(outcomes)
    assert_one_version_each(outcomes)
    assert all(o.model_version == f"{o.frame.category}-v{o.frame.category[4:]}" for o in outcomes)
    assert loader.most <= 3
    assert stage.metrics.registry.get_sample_value("inspector_model_evictions_total") >= 17
    assert not stage.inspectors[0]._keeper.models.missing


@pytest.mark.slow
def test_a_rare_category_is_not_starved_by_floods_that_fill_the_memory(
    stage: Any, make_frame: Callable[..., Frame], picture: Callable[..., bytes]
) -> None:
    floods, data = ["part0", "part1"], picture(200)
    names = [*floods, "part2"]
    loader = Loader(*names, load_s=0.02, batch_s=0.01)
    for n, name in enumerate(names):
        stage.activate(name, f"{name}-v{n}")
    settings = {"models.memory_mb": 2, "models.patience_s": 0.3, "worker.batch_max": 2}
    stage.start(loader, **{"categories.names": names} | settings)
    stop = threading.Event()

    def flood() -> None:
        while not stop.is_set():
            for name in floods:
                stage.send(make_frame(data, category=name), partition=0)
            time.sleep(0.002)  # faster than they are scored

    thread = threading.Thread(target=flood)
    thread.start()
    stage.outcomes_of(20)
    started = time.monotonic()
    stage.send(make_frame(data, category="part2"), partition=1)
    stage.until(lambda: any(o.frame.category == "part2" for o in stage.outcomes()))
    took = time.monotonic() - started
    stop.set()
    thread.join()
    assert took < 3.0
    assert loader.most <= 2


@pytest.mark.slow
def test_without_redis_inspection_goes_on_and_an_activation_is_found(
    stage: Any, make_frame: Callable[..., Frame], picture: Callable[..., bytes]
) -> None:
    loader, data = Loader("bolts"), picture(200)
    stage.start(loader, **{"categories.names": ["bolts"]})
    stage.send(make_frame(data))
    stage.outcomes_of(1)
    stage.redis.available = False
    stage.send(make_frame(data))
    assert stage.outcomes_of(2)[-1].model_version == "bolts-v1"
    stage.activate("bolts", "bolts-v2")
    stage.until(lambda: stage.inspectors[0]._keeper.models.versions() == {"bolts": "bolts-v2"})
    stage.redis.available = True  # and still names bolts-v1
    time.sleep(0.3)  # several looks
    stage.send(make_frame(data))
    outcomes = stage.outcomes_of(3)
    assert outcomes[-1].model_version == "bolts-v2"
    assert_one_version_each(outcomes)


@pytest.mark.slow
def test_while_a_model_is_loading_others_on_its_partition_are_inspected(
    stage: Any, make_frame: Callable[..., Frame], picture: Callable[..., bytes]
) -> None:
    names, data = ["part0", "part1", "part2"], picture(200)
    loader = Loader(*names)
    for n, name in enumerate(names):
        stage.activate(name, f"{name}-v{n}")
    stage.start(loader, **{"categories.names": names, "models.memory_mb": 2})
    stage.send(make_frame(data, category="part0"), partition=0)
    stage.outcomes_of(1)
    loader.load_s = 1.5
    stage.send(make_frame(data, category="part2"), partition=0)
    assert loader.loading.wait(5)
    time.sleep(0.3)  # the poll thread has had its chance to pause the partition
    stage.send(make_frame(data, category="part0"), partition=0)
    stage.until(lambda: len(loader.batches) == 2)
    assert loader.batches[1] == ("part0-v0", ("part0",))
    assert loader.loading.is_set()
    outcomes = stage.outcomes_of(3)  # in their order, when both are done
    assert [o.frame.category for o in outcomes] == ["part0", "part2", "part0"]
