"""Which dead letters are meant, and what each replay sends."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import typer

from schemas.dead_letter import DeadLetter
from schemas.documents import samples
from schemas.frame import decode_frame
from schemas.outcome import RejectReason
from workers.dlq.letters import Filter, camera_of, category_of, part_of
from workers.dlq.replay import again, run_of
from workers.runtime.moments import ago
from workers.runtime.part_filter import part_filter

LETTER = samples.DEAD_LETTER
NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        ({}, True),
        ({"reasons": frozenset({RejectReason.UNDECODABLE})}, True),
        ({"reasons": frozenset({RejectReason.TOO_LARGE})}, False),
        ({"categories": frozenset({"fryum"})}, True),
        ({"categories": frozenset({"bolts"})}, False),
        ({"cameras": frozenset({"line-1-cam-2"})}, True),
        ({"cameras": frozenset({"line-2"})}, False),
        ({"ids": (LETTER.outcome_id[:6],)}, True),
        ({"ids": (samples.FRAME.frame_id,)}, True),
        ({"ids": (samples.FRAME.frame_id[:6],)}, False),  # frames of a minute begin alike
        ({"since": LETTER.rejected_at}, True),
        ({"since": LETTER.rejected_at + timedelta(seconds=1)}, False),
        ({"until": LETTER.rejected_at}, False),
        ({"parts": part_filter(["lot=L-17", "serial=SN-*"])}, True),
        ({"parts": part_filter(["lot=L-18"])}, False),
        ({"categories": frozenset({"fryum"}), "cameras": frozenset({"line-2"})}, False),
    ],
)
def test_all_conditions_have_to_hold(wanted: dict[str, Any], taken: bool) -> None:
    assert Filter(**wanted).takes(LETTER) is taken


def test_an_unreadable_frame_is_found_by_its_raw_headers() -> None:
    letter = LETTER.model_copy(update={"frame": None})
    assert (category_of(letter), camera_of(letter)) == ("fryum", "line-1-cam-2")
    assert part_of(letter) == samples.FRAME.part


def test_a_replay_is_the_original_record_with_its_lineage() -> None:
    outgoing = again(LETTER)
    frame = decode_frame(outgoing.message.headers, outgoing.message.value)
    original = decode_frame(LETTER.original.header_bytes(), LETTER.original.value_bytes())
    assert frame == replace(original, run=run_of(LETTER), replayed_from="frames/2/90125")
    assert (outgoing.topic, outgoing.partition) == ("frames", 2)  # the order of its line
    assert outgoing.message.key == LETTER.original.key_bytes()


def test_a_replay_of_a_replay_has_one_run_and_the_last_place() -> None:
    first = again(LETTER)
    original = LETTER.original.of(first.message.key, first.message.value, first.message.headers)
    rejected_again: DeadLetter = LETTER.model_copy(
        update={
            "outcome_id": "0" * 32,
            "original": original,
            "record": LETTER.record.model_copy(update={"offset": 90_200}),
        }
    )
    second = again(rejected_again)
    names = [name for name, _ in second.message.headers]
    assert names.count("ce_run") == names.count("ce_replayedfrom") == 1
    frame = decode_frame(second.message.headers, second.message.value)
    assert frame.replayed_from == "frames/2/90200"
    assert frame.run not in ("live", run_of(LETTER))


@pytest.mark.parametrize("text", ["999999d", "99999-01-01", "tomorrow", "0001-01-01T00:00+14:00"])
def test_times_that_no_calendar_has_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="neither"):
        ago(text, NOW, "--since")
