"""The promise on false alarms by simulation, what is told in time, and what is not drift."""

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_inspector.image.appearance import ASPECTS, Appearance, appearance
from stream_inspector.synthetic import render
from stream_inspector.threshold.budget import Budget, Calibration
from stream_inspector.threshold.calibrate import calibrate
from stream_inspector.threshold.production.drift import (
    CHANCE,
    SCORE,
    STEP,
    WINDOW,
    Reference,
    Watch,
    chance,
    shifts,
)

CALM = Appearance(100.0, 0.5, 0.5, 0.5)


def looks(rng: np.random.Generator, count: int, light: float = 0.0) -> list[Appearance]:
    return [
        Appearance(100 + 3 * a + light, 0.5 + 0.02 * b, 0.5 + 0.01 * c, 0.5 + 0.01 * d)
        for a, b, c, d in rng.normal(size=(count, 4))
    ]


def reference(rng: np.random.Generator, count: int = 100) -> Reference:
    every = np.array([look.values for look in looks(rng, count)])
    return Reference.of(rng.gamma(2.0, size=count), dict(zip(ASPECTS, every.T, strict=True)))


@pytest.mark.parametrize(("good", "frames"), [(200, 50), (50, 50), (20, 50), (400, 20)])
def test_the_chance_is_a_bound_whatever_the_sizes(good: int, frames: int) -> None:
    rng = np.random.default_rng(good)
    ranks = np.stack([rng.permutation(good + frames)[:frames] for _ in range(20000)])
    below = ranks.sum(axis=1) - frames * (frames - 1) / 2  # good ones below, by Mann and Whitney
    chances = np.array([chance(good, frames, place) for place in below / (good * frames)])

    for limit in (0.5, 0.1, 0.01, 0.001):
        assert (chances <= limit).mean() <= limit


def test_production_like_the_good_images_is_never_told() -> None:
    rng = np.random.default_rng(0)
    told = 0
    for _ in range(20):
        watch = Watch(reference(rng))
        for look in looks(rng, 2000):
            watch.note(float(rng.gamma(2.0)), look)
            told += len(watch.shifts)

    assert told == 0  # 20 x 2000 / STEP looks at five numbers, each at CHANCE


@pytest.mark.parametrize("good", [20, 60, 200])
def test_a_shift_in_light_is_told_within_a_hundred_frames(good: int) -> None:
    rng = np.random.default_rng(good)
    for _ in range(20):
        watch = Watch(reference(rng, good))
        for look in looks(rng, 500):
            watch.note(float(rng.gamma(2.0)), look)
        frames = looks(rng, 100, light=12.0)  # four deviations: 12 of 100 grey levels
        after = [watch.note(float(rng.gamma(2.0)), look) for look in frames].index(True) + 1

        assert set(watch.shifts) == {"light"}
        assert str(watch.shifts["light"]).startswith("brighter than ")
        assert after <= 100


@pytest.mark.parametrize("share", [0.02, 0.1, 0.2])
def test_defects_are_no_drift_however_high_they_score(share: float) -> None:
    rng = np.random.default_rng(1)
    watch = Watch(reference(rng, 200))
    for look in looks(rng, 5000):
        bad = rng.random() < share
        watch.note(1e6 if bad else float(rng.gamma(2.0)), look)

        assert not watch.shifts


def test_real_pictures_of_parts_in_dimmer_light_are_told_and_defective_ones_are_not() -> None:
    good = [appearance(render(index, 0).image).values for index in range(60)]
    numbers = dict(zip(ASPECTS, np.array(good).T, strict=True))
    calm, dim = (Watch(Reference.of([1.0, 2.0, 3.0, 4.0, 5.0], numbers)) for _ in range(2))
    for index in range(WINDOW):
        image = render(1000 + index, 0, "stain" if index % 50 == 0 else None).image
        calm.note(3.0, appearance(image))
        dim.note(3.0, appearance((image * 0.8).astype(np.uint8)))

    assert not calm.shifts
    assert "light" in dim.shifts
    assert str(dim.shifts["light"]).startswith("darker than ")


def test_higher_scores_are_told_and_lower_ones_are_not() -> None:
    rng = np.random.default_rng(2)
    high, low = Watch(reference(rng)), Watch(reference(rng))
    for look in looks(rng, 2 * WINDOW):
        high.note(float(rng.gamma(2.0)) + 3, look)
        low.note(0.0, look)

    assert set(high.shifts) == {SCORE}
    assert not low.shifts


def test_a_shift_ends_when_frames_look_as_before() -> None:
    rng = np.random.default_rng(3)
    watch, news = Watch(reference(rng)), list[bool]()
    for light in (0.0, 12.0, 0.0):
        news += [watch.note(1.0, look) for look in looks(rng, 3 * WINDOW, light)]

    assert news.count(True) == 2
    assert not watch.shifts


def test_nothing_is_said_before_a_window_is_full_nor_with_too_few_good_images() -> None:
    rng = np.random.default_rng(4)
    watch = Watch(reference(rng))
    few = Watch(Reference.of([1.0, 2.0], {"light": [1.0, 2.0]}))
    for number, look in enumerate(looks(rng, WINDOW, light=50.0), 1):
        few.note(1e9, look)
        assert watch.note(1.0, look) == (number == WINDOW)
    assert not few.shifts


def test_numbers_that_tie_lie_in_the_middle() -> None:
    same = Reference.of([1.0] * 30, {})

    assert same.places(1.0, CALM) == {SCORE: 0.5}
    assert same.places(2.0, CALM) == {SCORE: 1.0}


def test_a_calibration_keeps_what_good_images_look_like() -> None:
    made = calibrated(looks(np.random.default_rng(5), 30))
    plain = calibrated([])

    assert set(made.reference.numbers) == {SCORE, *ASPECTS}
    assert all((np.diff(values) >= 0).all() for values in made.reference.numbers.values())
    assert Calibration.from_dict(made.to_dict()) == made
    assert "looks" not in plain.to_dict()
    assert set(plain.reference.numbers) == {SCORE}


def calibrated(seen: list[Appearance]) -> Calibration:
    maps: NDArray[np.float32] = np.random.default_rng(6).normal(size=(30, 6, 6)).astype(np.float32)
    return calibrate(maps, maps.max((1, 2)).astype(float), Budget(), looks=seen)


def test_the_promise_is_one_false_alarm_in_millions_of_frames() -> None:
    looked_at, numbers = 1 / STEP, 1 + len(ASPECTS)

    assert 1 / (CHANCE * looked_at * numbers) >= 2e6


def test_a_whole_set_is_compared_at_once() -> None:
    rng = np.random.default_rng(7)
    known = reference(rng, 200)
    scores = rng.gamma(2.0, size=25).tolist()

    assert shifts(known, scores, looks(rng, 25), 0.01) == []
    assert [s.what for s in shifts(known, scores, looks(rng, 25, light=-6.0), 0.01)] == ["light"]
    assert shifts(known, [], [], 0.01) == []
