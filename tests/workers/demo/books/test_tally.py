from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from workers.demo.books.lines import Observed, SentFrame
from workers.demo.books.tally import Tally, percentile, tally

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def sent(*names: str) -> list[SentFrame]:
    return [SentFrame(name, "cam-1", n, "nut", NOON, "good") for n, name in enumerate(names)]


def seen(frame: str | None, verdict: str | None = "pass", score: float | None = 1.0) -> Observed:
    return Observed(
        outcome_id=f"id-{frame}",
        frame_id=frame,
        camera_id="cam-1",
        verdict=verdict,
        rejected=None if verdict else "undecodable",
        score=score if verdict else None,
        threshold=2.0,
        model_version="m",
        calibration_id="c",
        worker_id="w",
        captured_at=0.0,
        seen_at=0.5,
        verdict_ms=400.0,
    )


def test_each_frame_is_counted_once_by_what_became_of_it() -> None:
    outcomes = [seen("a"), seen("b", "near_miss"), seen("c", "defect"), seen("d", None)]

    books = tally(sent("a", "b", "c", "d"), outcomes)

    assert (books.sent, books.inspected, books.rejected) == (4, 3, 1)
    assert (books.near_misses, books.defective) == (1, 1)
    assert books.sound
    assert books.settled


def test_a_frame_without_outcome_is_lost() -> None:
    books = tally(sent("a", "b", "c"), [seen("b")])

    assert books.lost == ("a", "c")
    assert not books.sound
    assert not books.settled


def test_the_same_outcome_again_is_repeated_not_duplicated() -> None:
    books = tally(sent("a"), [seen("a"), seen("a"), seen("a")])

    assert (books.inspected, books.repeated, books.duplicated) == (1, 2, ())
    assert books.sound


@pytest.mark.parametrize(
    "second",
    [
        replace(seen("a"), outcome_id="another"),
        seen("a", "defect"),
        seen("a", None),
        seen("a", score=1.5),
        seen("a", score=None),
    ],
    ids=["id", "verdict", "rejected", "score", "no score"],
)
def test_two_different_outcomes_of_one_frame_are_duplicated(second: Observed) -> None:
    books = tally(sent("a", "b"), [seen("a"), seen("b"), second], tolerance=0.4)

    assert books.duplicated == ("a",)
    assert books.settled
    assert not books.sound


def test_scores_within_the_tolerance_are_the_same_outcome() -> None:
    books = tally(sent("a"), [seen("a"), seen("a", score=1.3)], tolerance=0.4)

    assert (books.repeated, books.duplicated) == (1, ())


@pytest.mark.parametrize("stranger", ["x", None])
def test_outcomes_of_frames_nobody_sent_are_kept_apart(stranger: str | None) -> None:
    books = tally(sent("a"), [seen("a"), seen(stranger)])

    assert (books.inspected, books.unknown) == (1, 1)


def test_a_line_written_again_for_a_retry_is_one_frame() -> None:
    assert tally(sent("a", "a"), [seen("a")]).sent == 1


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([5, 1, 3, 2, 4], 0.5, 3),
        ([5, 1, 3, 2, 4], 0.95, 5),
        (range(1, 101), 0.95, 95),
        ([7], 0.5, 7),
        ([], 0.5, None),
    ],
)
def test_percentiles_are_nearest_rank(
    values: Sequence[float], share: float, expected: float | None
) -> None:
    assert percentile(values, share) == expected


def test_nothing_sent_is_sound() -> None:
    assert tally([], []) == Tally(0, 0, 0, 0, 0, (), 0, (), 0, {})
