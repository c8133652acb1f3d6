import json
from datetime import UTC, datetime
from pathlib import Path

from schemas.outcome import FrameRef, Latencies, Outcome, RecordRef, RejectReason, Verdict
from workers.demo.books.lines import SentLog, observe

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def line(frame_id: str, truth: str | None = "good") -> str:
    values = {"frame_id": frame_id, "camera_id": "cam-1", "sequence": 3, "category": "nut"}
    return json.dumps({**values, "captured_at": NOON.isoformat(), "truth": truth}) + "\n"


def outcome(**changes: object) -> Outcome:
    values = {
        "outcome_id": "0" * 32,
        "frame": FrameRef(
            frame_id="f", camera_id="cam-1", category="nut", sequence=0, captured_at=NOON
        ),
        "record": RecordRef(topic="frames", partition=0, offset=0),
        "verdict": Verdict.DEFECT,
        "image_score": 3.5,
        "latencies": Latencies(
            queued_ms=1, decode_ms=1, batch_wait_ms=1, inference_ms=1, total_ms=40
        ),
        "worker_id": "w",
        "decided_at": NOON,
    }
    return Outcome.model_validate(values | changes)


def test_the_sent_log_is_read_as_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "sent.jsonl"
    log = SentLog(path)
    assert log.read() == {}

    path.write_text(line("a") + line("b")[:20])
    assert list(log.read()) == ["a"]

    path.write_text(line("a") + line("b", "scratch"))
    frames = log.read()
    assert [frame.defective for frame in frames.values()] == [False, True]


def test_a_frame_of_unknown_truth_is_neither_good_nor_bad(tmp_path: Path) -> None:
    (tmp_path / "sent.jsonl").write_text(line("a", None))

    assert SentLog(tmp_path / "sent.jsonl").read()["a"].defective is None


def test_latency_is_capture_until_the_outcome_is_readable() -> None:
    observed = observe(outcome(), NOON.timestamp() + 0.25)

    assert observed.latency_ms == 250
    assert (observed.verdict, observed.score, observed.verdict_ms) == ("defect", 3.5, 40)


def test_a_rejected_frame_without_headers_is_observed() -> None:
    rejected = RejectReason.MISSING_HEADER
    observed = observe(outcome(frame=None, verdict=None, rejected=rejected, latencies=None), 1.0)

    assert (observed.frame_id, observed.latency_ms, observed.rejected) == (
        None,
        None,
        "missing-header",
    )


def test_an_observed_outcome_is_one_json_line() -> None:
    text = observe(outcome(), 5.0).to_line()

    assert text.endswith("\n")
    assert json.loads(text)["seen_at"] == 5.0
