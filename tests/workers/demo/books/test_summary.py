import json
from datetime import UTC, datetime, timedelta

import pytest

from workers.demo.books.lines import Observed, SentFrame
from workers.demo.books.summary import PixelQuality, RunFacts, summarise
from workers.demo.books.tally import tally
from workers.offline.scoring.ranking import Ranking

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
FACTS = RunFacts(
    "nut", "pixel-small", "v", "shipped", "c", "promise", "torch", None, 1, 1, 2.0, "at least once"
)


def sent(number: int, truth: str | None) -> SentFrame:
    captured = NOON + timedelta(seconds=number)
    return SentFrame(f"f{number}", "cam-1", number, "nut", captured, truth)


def seen(number: int, score: float | None, latency_ms: float = 500) -> Observed:
    captured = NOON.timestamp() + number
    return Observed(
        outcome_id=f"o{number}",
        frame_id=f"f{number}",
        camera_id="cam-1",
        verdict=None if score is None else "defect" if score > 2 else "pass",
        rejected="undecodable" if score is None else None,
        score=score,
        threshold=2.0,
        model_version="v",
        calibration_id="c",
        worker_id="w",
        captured_at=captured,
        seen_at=captured + latency_ms / 1000,
        verdict_ms=latency_ms / 2,
    )


def summary(frames: list[SentFrame], outcomes: list[Observed], **more: object) -> dict:
    books = tally(frames, outcomes)
    return summarise(books, {frame.frame_id: frame for frame in frames}, FACTS, **more)


def test_verdicts_are_compared_with_the_truth() -> None:
    frames = [sent(0, "good"), sent(1, "dent"), sent(2, "dent"), sent(3, "good"), sent(4, "dent")]
    scores = [1.0, 3.0, 1.5, 2.5, 4.0]

    quality = summary(frames, [seen(n, score) for n, score in enumerate(scores)])["quality"]

    assert (quality["precision"], quality["recall"]) == (2 / 3, 2 / 3)
    assert (quality["missed"], quality["false_alarms"]) == (1, 1)
    assert quality["image_auroc"] == pytest.approx(5 / 6)
    assert quality["pixel_auroc"] is None


def test_without_truth_there_is_no_quality() -> None:
    assert summary([sent(0, None)], [seen(0, 1.0)])["quality"] is None


def test_rejected_frames_say_nothing_about_quality() -> None:
    result = summary([sent(0, "good"), sent(1, "dent")], [seen(0, 1.0), seen(1, None)])

    assert result["quality"]["recall"] is None
    assert result["rejected_by_reason"] == {"undecodable": 1}


def test_latency_and_throughput_are_the_readers_not_the_workers() -> None:
    frames = [sent(number, "good") for number in range(20)]
    outcomes = [seen(number, 1.0, 100 * (number + 1)) for number in range(20)]

    result = summary(frames, outcomes)

    assert (result["latency_ms"]["p50"], result["latency_ms"]["p95"]) == (1000, 1900)
    assert result["latency_ms"]["verdict_p50"] == 500
    assert result["throughput_fps"] == round(20 / 21, 2)  # first capture to last outcome


def test_it_has_the_keys_that_others_read_and_is_json() -> None:
    pixel = PixelQuality(Ranking(1, 0.9, 0.8, 0.7), "offline")
    result = summary([sent(0, "good")], [seen(0, 1.0)], pixel=pixel, alarms={"defect": 1})

    plain = json.loads(json.dumps(result))
    wanted = ("sent", "inspected", "defective", "rejected", "lost", "repeated", "duplicated")
    assert set(wanted) <= set(plain["frames"])
    assert plain["quality"]["aupro_30"] == 0.8
    assert plain["quality"]["pixel_auroc"] == 0.9


def test_a_run_without_outcomes_has_no_figures() -> None:
    result = summary([sent(0, "good")], [])

    assert result["latency_ms"]["p50"] is None
    assert result["throughput_fps"] is None
    assert result["frames"]["lost"] == 1
