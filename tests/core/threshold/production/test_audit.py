"""Who is asked about which parts, and what the answers say."""

from itertools import pairwise

import numpy as np
import pytest

from stream_inspector.image.appearance import Appearance
from stream_inspector.threshold.order import (
    certified_rate,
    clopper_pearson,
    conformal_rank,
    images_needed,
)
from stream_inspector.threshold.production.audit import (
    Judged,
    Standing,
    audits_a_day,
    draw,
    lot,
    nearest,
    rates,
    reviews_to_keep,
    standing,
)
from stream_inspector.threshold.production.drift import Reference, Watch
from stream_inspector.threshold.share import Share

NAMES = [f"part-{index}" for index in range(2000)]


def test_the_sample_is_the_same_for_everybody_after_any_restart() -> None:
    once = draw(NAMES, 40)
    assert once == draw(reversed(NAMES), 40) == draw(NAMES + NAMES, 40)
    assert len(set(once)) == 40
    assert all(lot(a) < lot(b) for a, b in pairwise(once))


def test_a_smaller_sample_is_part_of_a_larger_one() -> None:
    assert draw(NAMES, 100)[:40] == draw(NAMES, 40)
    assert draw(NAMES[:3], 40) == draw(NAMES[:3], 3)


def test_chance_knows_nothing_of_the_score() -> None:
    scores = dict(zip(NAMES, np.linspace(0, 1, len(NAMES)), strict=True))
    drawn = [scores[name] for name in draw(NAMES, 400)]
    assert np.mean(drawn) == pytest.approx(0.5, abs=4 / np.sqrt(12 * 400))
    lots = [lot(name) for name in NAMES]
    assert 0 <= min(lots) < 0.01 and 0.99 < max(lots) < 1


def test_near_misses_come_nearest_first_and_alarms_not_at_all() -> None:
    assert nearest([0.2, 3.1, 2.9, 1.0, 3.0], 3.0, 3) == [4, 2, 3]
    assert nearest([], 3.0, 3) == []


def test_a_day_asks_for_its_part_of_what_the_certificate_needs() -> None:
    needed = images_needed(0.05, 0.95)
    assert (needed, audits_a_day(0.05, 0.95, 1), audits_a_day(0.05, 0.95, 7)) == (59, 59, 9)
    assert audits_a_day(0.5, 0.5, 30) == 1


def judged(good: int, false: int, caught: int, missed: int, *, audit: bool = True) -> list[Judged]:
    return [
        *[Judged(good=True, alarmed=False, audit=audit)] * good,
        *[Judged(good=True, alarmed=True, audit=audit)] * false,
        *[Judged(good=False, alarmed=True, audit=audit)] * caught,
        *[Judged(good=False, alarmed=False, audit=audit)] * missed,
    ]


def test_rates_are_those_of_the_audited_parts_alone() -> None:
    audited = judged(95, 5, 3, 1)
    found = rates([*audited, *judged(0, 500, 50, 0, audit=False)], 0.95)
    assert (found.reviews, found.audited) == (654, 104)
    assert found.false_alarms == Share(0.05, *clopper_pearson(5, 100, 0.95))
    assert found.shipped == Share(1 / 96, *clopper_pearson(1, 96, 0.95))
    assert found.escapes == Share(0.25, *clopper_pearson(1, 4, 0.95))


def test_of_nothing_nothing_is_said() -> None:
    found = rates(judged(0, 7, 0, 0, audit=False), 0.95)
    assert (found.false_alarms, found.shipped, found.escapes) == (None, None, None)


@pytest.mark.parametrize(
    ("observed", "says"),
    [
        (None, Standing.UNKNOWN),
        (Share(0.01, 0.0, 0.05), Standing.KEPT),
        (Share(0.04, 0.01, 0.09), Standing.OPEN),
        (Share(0.2, 0.06, 0.3), Standing.BROKEN),
    ],
)
def test_an_interval_speaks_for_a_certificate_against_it_or_not_yet(
    observed: Share | None, says: Standing
) -> None:
    assert standing(observed, 0.05) is says


def test_how_many_more_reviews_close_a_certificate_is_the_fewest_that_do() -> None:
    assert reviews_to_keep(0, 72, 0.05, 0.95) == 0
    assert reviews_to_keep(0, 0, 0.05, 0.95) == 72
    more = reviews_to_keep(3, 40, 0.05, 0.95)
    assert more is not None
    for extra, says in ((more, Standing.KEPT), (more - 1, Standing.OPEN)):
        share = Share.of_counts(3, 40 + extra, 0.95)
        assert standing(share, 0.05) is says
    assert reviews_to_keep(50_000, 50_000, 0.01, 0.95) is None


class Line:
    """A month of good parts, 300 a day: darker from the middle on, and scoring higher."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.good = np.sort(rng.gamma(4.0, 1.0, 200))  # scores of the good images
        light = rng.normal(100, 5, 200)
        self.reference = Reference.of(self.good.tolist(), {"light": light.tolist()})
        self.dark = np.arange(9000) >= 4500
        self.scores = rng.gamma(4.0, 1.0, 9000) + 4.0 * self.dark
        self.light = rng.normal(100, 5, 9000) - 30 * self.dark
        self.names = [f"{seed}-{index}" for index in range(9000)]

    def told_at(self) -> int:
        """The frame at which the shift was told."""
        watch = Watch(self.reference)
        for index, (score, light) in enumerate(zip(self.scores, self.light, strict=True)):
            if watch.note(float(score), Appearance(float(light), 1.0, 0.5, 0.5)):
                return index
        return len(self.scores)

    def audited(self, start: int, days: int, a_day: int) -> list[int]:
        """Places of the parts that are drawn on each of so many days."""
        at = {name: index for index, name in enumerate(self.names)}
        found = list[int]()
        for day in range(days):
            of_day = self.names[start + 300 * day : start + 300 * (day + 1)]
            found += [at[name] for name in draw(of_day, a_day)]
        return found


def threshold(scores: np.ndarray) -> float:
    return float(np.sort(scores)[conformal_rank(scores.size, 0.05) - 1])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_month_with_a_change_of_light_is_told_recalibrated_and_inside_its_certificate(
    seed: int,
) -> None:
    line = Line(seed)
    told = line.told_at()
    assert 4500 <= told < 4600  # not before, and within 100 frames
    limits = np.full(9000, threshold(line.good))
    learnt = line.audited(told + 1, 1, 100)  # the day after, looked at by people: all are good
    limits[told + 301 :] = threshold(line.scores[learnt])
    certified = certified_rate(100, conformal_rank(100, 0.05), 0.95)
    found = dict[int, Share | None]()
    for reviews, a_day in ((200, 8), (400, 16)):
        asked = [*line.audited(0, 15, a_day), *line.audited(told + 301, 13, a_day)][:reviews]
        judged = [Judged(True, bool(line.scores[i] > limits[i]), True) for i in asked]
        found[reviews] = rates(judged, 0.95).false_alarms
        assert len(judged) == reviews
    assert found[200] is not None
    assert found[200].value <= certified
    assert standing(found[200], certified) is not Standing.BROKEN
    assert standing(found[400], certified) is Standing.KEPT  # its interval is narrow enough
    without = [Judged(True, bool(line.scores[i] > limits[0]), True) for i in asked if line.dark[i]]
    assert standing(rates(without, 0.95).false_alarms, certified) is Standing.BROKEN


def test_high_scores_alone_would_raise_the_threshold() -> None:
    """Why only a random sample calibrates: false alarms are the highest of the good scores."""
    line = Line(4)
    before = line.scores[:4500]
    first = threshold(line.good)
    false_alarms = before[before > first]
    chosen = threshold(np.concatenate([line.good, false_alarms]))
    drawn = threshold(np.concatenate([line.good, before[line.audited(0, 15, 13)]]))
    assert (before > chosen).mean() < 0.02 < (before > drawn).mean() < 0.08
