"""The journey of frames through an inspector, in memory: what the README promises, as a story."""

import io
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import PIL.Image as Pil
import pytest

from schemas.envelope import WireMessage
from schemas.frame import Frame, encode_frame
from schemas.outcome import RejectReason, Verdict, outcome_id
from workers.runtime.bus.ports import Partition
from workers.runtime.errors import BusUnavailable, DecoderLost

MakeFrame = Callable[..., Frame]
Picture = Callable[..., bytes]

GOOD, DARK, OVEREXPOSED = 200, 20, 255


def without(message: WireMessage, header: str) -> WireMessage:
    kept = tuple(pair for pair in message.headers if pair[0] != header)
    return replace(message, headers=kept)


@pytest.fixture
def bolts(stage: Any, make_frame: MakeFrame, picture: Picture) -> Any:
    """Only bolts are configured, and their model is active."""
    stage.start(**{"categories.names": ["bolts"]})
    return stage


@pytest.mark.slow
def test_a_good_product_passes(bolts: Any, make_frame: MakeFrame, picture: Picture) -> None:
    frame = make_frame(picture(GOOD))
    bolts.send(frame)
    [outcome] = bolts.outcomes_of(1)
    assert outcome.verdict is Verdict.PASS
    assert outcome.outcome_id == outcome_id(frame.source, frame.frame_id)
    assert (outcome.model_version, outcome.calibration_id) == ("bolts-v1", "calibration-1")
    assert not bolts.defects()


@pytest.mark.slow
def test_a_defect_is_told_before_its_outcome_and_says_where_its_explanation_comes(
    bolts: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    frame = make_frame(picture(DARK, (64, 48)))
    bolts.send(frame)
    [outcome] = bolts.outcomes_of(1)
    [event] = bolts.defects()
    assert outcome.verdict is Verdict.DEFECT
    assert event.outcome_id == outcome.outcome_id
    assert (event.image_width, event.image_height) == (64, 48)
    assert event.regions[0].box.width == 64
    assert event.explanation == "explanations"
    assert event.evidence.heatmap is None
    assert event.counterpart.status == "skipped"


def many_scans() -> bytes:
    """A small JPEG whose last scan comes again and again."""
    buffer = io.BytesIO()
    Pil.new("L", (8, 8)).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * 100 + data[-2:]


def poison(make_frame: MakeFrame, picture: Picture) -> dict[RejectReason, WireMessage]:
    """One record for each way in which a frame can be bad."""
    good = make_frame(picture(GOOD))
    newer = [
        (k, v.replace(b".v1", b".v2") if k == "ce_type" else v)
        for k, v in encode_frame(good).headers
    ]
    return {
        RejectReason.UNDECODABLE: encode_frame(make_frame(b"no image")),
        RejectReason.DAMAGED: encode_frame(make_frame(picture(GOOD)[:-20])),
        RejectReason.TOO_LARGE: encode_frame(make_frame(b"x" * 5000)),
        RejectReason.TOO_SLOW: encode_frame(make_frame(many_scans(), content_type="image/jpeg")),
        RejectReason.UNKNOWN_CATEGORY: encode_frame(make_frame(picture(GOOD), category="toys")),
        RejectReason.MISSING_HEADER: without(encode_frame(good), "ce_category"),
        RejectReason.INVALID_HEADER: encode_frame(make_frame(b"x", content_type="text/html")),
        RejectReason.UNSUPPORTED_VERSION: replace(encode_frame(good), headers=tuple(newer)),
        RejectReason.INSPECTION_FAILED: encode_frame(make_frame(picture(OVEREXPOSED))),
    }


@pytest.mark.parametrize(
    "reason",
    sorted(
        set(RejectReason)
        - {RejectReason.INVALID_MESSAGE, RejectReason.CRASHED_WORKER, RejectReason.CAMERA_HELD_BACK}
    ),
)
@pytest.mark.slow
def test_a_bad_frame_is_a_dead_letter_and_the_next_one_is_inspected(
    stage: Any, make_frame: MakeFrame, picture: Picture, reason: RejectReason
) -> None:
    stage.start(**{"categories.names": ["bolts"], "kafka.max_frame_bytes": 4000})
    bad = poison(make_frame, picture)[reason]
    stage.send(bad, make_frame(picture(GOOD)), partition=0)
    outcomes = stage.outcomes_of(2)
    [letter] = stage.dead_letters()
    assert letter.reason is reason
    assert letter.original.value_bytes() == bad.value
    assert letter.original.header_bytes() == bad.headers
    assert (letter.record.topic, letter.record.partition, letter.record.offset) == ("frames", 0, 0)
    assert [o.rejected for o in outcomes if o.verdict is None] == [reason]
    assert [o.verdict for o in outcomes if o.rejected is None] == [Verdict.PASS]


@pytest.mark.slow
def test_a_damaged_frame_is_counted_and_inspected_where_that_is_wanted(
    stage: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    stage.start(**{"categories.names": ["bolts"]}, **{"images.accept_damaged": True})
    stage.send(make_frame(picture(GOOD)), make_frame(picture(GOOD)[:-12]), partition=0)
    assert [outcome.verdict for outcome in stage.outcomes_of(2)] == [Verdict.PASS] * 2
    assert stage.metrics.damaged._value.get() == 1


def test_a_worker_without_decoders_says_so_and_ends(
    stage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/no/python")
    monkeypatch.setattr("workers.runtime.decoders.pool._PAUSE_S", 0.01)
    stage.start(**{"categories.names": ["bolts"], "images.max_side": 999})  # as no other stage
    stage.wait_for_error(1)
    assert isinstance(stage.errors[0], DecoderLost)
    assert "a decoder process does not start" in str(stage.errors[0])
    stage.errors.clear()


@pytest.mark.slow
def test_outcomes_leave_in_the_order_of_their_camera(
    bolts: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    frames = [make_frame(picture(GOOD if n % 3 else DARK), n) for n in range(40)]
    bolts.send(*frames)
    outcomes = bolts.outcomes_of(40)
    assert [o.frame.sequence for o in outcomes] == list(range(40))


@pytest.mark.slow
def test_what_is_published_is_committed(
    bolts: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    bolts.send(*(make_frame(picture(GOOD), n) for n in range(10)), partition=1)
    at = Partition("frames", 1)
    bolts.until(lambda: bolts.broker.committed("inspectors").get(at) == 10)
    assert len(bolts.outcomes()) == 10


@pytest.mark.slow
def test_a_partition_without_frames_has_a_committed_start(bolts: Any) -> None:
    """Autoscalers read "nothing committed" as no lag, or as all of it."""
    both = {Partition("frames", 0): 0, Partition("frames", 1): 0}
    bolts.until(lambda: bolts.broker.committed("inspectors") == both)


@pytest.mark.slow
def test_a_category_without_a_model_waits_and_goes_on_when_it_comes(
    stage: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    stage.start()  # nuts have no model
    stage.send(make_frame(picture(GOOD), category="nuts"), partition=0)
    stage.send(make_frame(picture(GOOD), category="bolts"), partition=1)
    stage.outcomes_of(1)
    time.sleep(0.1)
    assert len(stage.outcomes()) == 1
    assert not stage.dead_letters()
    assert "nuts" in (stage.inspectors[0].vitals.ready() or "")
    stage.activate("nuts", "nuts-v1")
    assert {o.model_version for o in stage.outcomes_of(2)} == {"bolts-v1", "nuts-v1"}


@pytest.mark.slow
def test_a_new_activation_is_picked_up_while_running(
    bolts: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    bolts.send(make_frame(picture(GOOD)))
    bolts.outcomes_of(1)
    bolts.activate("bolts", "bolts-v2")
    bolts.until(lambda: "bolts-v2" in bolts.inspectors[0]._keeper.models.versions().values())
    bolts.send(make_frame(picture(GOOD)))
    assert [o.model_version for o in bolts.outcomes_of(2)] == ["bolts-v1", "bolts-v2"]


@pytest.mark.slow
def test_redis_and_the_model_store_may_go_away(
    bolts: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    bolts.send(make_frame(picture(GOOD)))
    bolts.outcomes_of(1)
    bolts.redis.available = bolts.blobs.available = False
    time.sleep(0.15)  # several refreshes
    bolts.send(make_frame(picture(GOOD)))
    assert [o.model_version for o in bolts.outcomes_of(2)] == ["bolts-v1", "bolts-v1"]


@pytest.mark.slow
def test_a_broker_that_goes_away_costs_nothing(
    bolts: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    bolts.send(*(make_frame(picture(GOOD), n) for n in range(5)))
    bolts.outcomes_of(5)
    bolts.broker.available = False
    with pytest.raises(BusUnavailable):
        bolts.send(make_frame(picture(GOOD), 5))
    time.sleep(0.2)
    bolts.broker.available = True
    bolts.send(make_frame(picture(GOOD), 6))
    assert [o.frame.sequence for o in bolts.outcomes_of(6)][-1] == 6


@pytest.mark.slow
def test_a_second_worker_takes_over_half_and_nothing_is_lost(
    stage: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    names = {"categories.names": ["bolts"]}
    stage.start(**names)
    frames = [make_frame(picture(GOOD), n, camera_id=f"line-{n % 7}") for n in range(300)]
    stage.send(*frames[:150])
    stage.start(**names)
    stage.send(*frames[150:])
    wanted = {outcome_id(f.source, f.frame_id) for f in frames}
    stage.until(lambda: {o.outcome_id for o in stage.outcomes()} >= wanted)
    stage.until(lambda: len({o.worker_id for o in stage.outcomes()}) == 2)


@pytest.mark.slow
def test_a_worker_that_is_expelled_comes_to_no_second_result(
    stage: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    """Its partitions are read again by the other one: repeated ids at most, none lost."""
    names = {"categories.names": ["bolts"]}
    stage.start(**names)
    stage.start(**names)
    stage.until(lambda: len(stage.broker.members("inspectors")) == 2)
    frames = [make_frame(picture(GOOD), n, camera_id=f"line-{n % 7}") for n in range(200)]
    stage.send(*frames)
    stage.broker.expel(stage.broker.members("inspectors")[0])
    wanted = {outcome_id(f.source, f.frame_id) for f in frames}
    stage.until(lambda: {o.outcome_id for o in stage.outcomes()} >= wanted)
    assert {o.verdict for o in stage.outcomes()} == {Verdict.PASS}


@pytest.mark.slow
def test_a_handover_leaves_nothing_to_repeat(
    stage: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    late = {"categories.names": ["bolts"], "worker.commit_interval_ms": 60_000}
    stage.start(**late)
    stage.send(*(make_frame(picture(GOOD), n, camera_id=f"line-{n}") for n in range(40)))
    stage.outcomes_of(40)
    stage.start(**late)  # what moves is committed in passing, though its time has not come
    stage.until(lambda: all(m.stable() for m in stage.broker.members("inspectors")))
    time.sleep(0.2)
    assert len(stage.outcomes()) == 40


@pytest.mark.slow
def test_a_stop_finishes_what_is_in_work(
    stage: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    stop = stage.start(stage.slowly(0.05), **{"categories.names": ["bolts"], "worker.batch_max": 2})
    stage.send(*(make_frame(picture(GOOD), n) for n in range(20)), partition=0)
    stage.outcomes_of(1)
    stop.set()
    stage.stop()
    assert stage.frames_read() == 20
    assert len(stage.outcomes()) == 20
    assert stage.broker.committed("inspectors")[Partition("frames", 0)] == 20
    assert not stage.errors
