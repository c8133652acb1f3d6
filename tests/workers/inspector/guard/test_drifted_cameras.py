"""Which cameras differ: counted for the metric, named on the page, and bounded."""

import numpy as np
from structlog.testing import capture_logs

from stream_inspector.image.appearance import ASPECTS, appearance
from stream_inspector.threshold.production.drift import WINDOW, Reference
from workers.inspector.guard.drift import FRESH_S, Drift, Seen

RNG = np.random.default_rng(0)


def picture(light: float) -> np.ndarray:
    return np.clip(RNG.normal(light + RNG.normal(), 20, (64, 64, 3)), 0, 255).astype(np.uint8)


REFERENCE = Reference.of(
    RNG.random(60),
    dict(
        zip(ASPECTS, np.array([appearance(picture(100)).values for _ in range(60)]).T, strict=True)
    ),
)


def seen(camera: str, light: float = 100, version: str = "v1", score: float | None = None) -> Seen:
    value = float(RNG.random()) if score is None else score
    return Seen(camera, "bolts", version, REFERENCE, picture(light), value)


def feed(drift: Drift, camera: str, light: float = 100, version: str = "v1") -> None:
    for _ in range(WINDOW):
        drift.note(seen(camera, light, version), 10.0)


def test_a_camera_that_differs_is_counted_named_and_logged_once() -> None:
    drift = Drift()
    with capture_logs() as logs:
        feed(drift, "north")
        feed(drift, "south", light=60)
        feed(drift, "south", light=60)

    assert drift.counts(11.0) == {("bolts", "light"): 1.0}
    assert len(drift.told(11.0)) == 1
    assert drift.told(11.0)[0].startswith("south (bolts): darker than ")
    warned = [line for line in logs if line["log_level"] == "warning"]
    assert [(line["camera"], line["model"]) for line in warned] == [("south", "v1")]


def test_the_end_is_told_too() -> None:
    drift = Drift()
    with capture_logs() as logs:
        for light in (60, 100, 100):
            feed(drift, "north", light)

    assert drift.counts(11.0) == {}
    assert "again" in logs[-1]["event"]


def test_a_camera_that_went_elsewhere_is_forgotten() -> None:
    drift = Drift()
    feed(drift, "north", light=60)

    assert drift.counts(10.0 + FRESH_S) == {}
    assert drift.told(10.0 + FRESH_S) == []


def test_another_model_begins_anew() -> None:
    drift = Drift()
    feed(drift, "north", light=60)
    drift.note(seen("north", version="v2"), 10.0)

    assert drift.counts(11.0) == {}


def test_made_up_cameras_take_no_more_than_the_bound() -> None:
    drift = Drift(most=4)
    for number in range(100):
        drift.note(seen(f"camera-{number}"), 10.0)
    feed(drift, "north", light=60)

    assert len(drift._watches) == 4
    assert drift.counts(11.0) == {("bolts", "light"): 1.0}


def test_a_model_without_such_numbers_is_not_watched() -> None:
    drift = Drift()
    nothing = Seen("north", "bolts", "v1", Reference({}), picture(0), 1.0)
    for _ in range(2 * WINDOW):
        drift.note(nothing, 10.0)

    assert drift.counts(11.0) == {}
    assert not drift._watches
