"""The history: each record once, whatever is delivered twice, lost, hostile or too much."""

import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from floor import NOW, Floor
from sqlalchemy import func, select

from schemas.camera_state import CameraCondition, CameraState
from schemas.outcome import RejectReason, Verdict
from schemas.review import Judgement, Review
from workers.console.asking.parts import find
from workers.console.history import tables
from workers.console.history.database import open_database
from workers.console.history.retention import tidy
from workers.console.history.writing import part_of
from workers.runtime.bus.ports import Outgoing
from workers.runtime.errors import SettingsError


def rows(floor: Floor, table: Any) -> int:
    with floor.database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def test_what_the_topics_tell_is_found_again(floor: Floor) -> None:
    defect = floor.part(sequence=1, verdict=Verdict.DEFECT)
    floor.reject(sequence=2, error="no picture at all")
    floor.alarm()
    floor.read()
    with floor.database.read() as connection:
        part = find(connection, part_of(defect))
    assert part is not None
    assert (part.verdict, part.score, part.camera) == ("defect", 1.5, "line-1")
    assert part.reference == defect.frame
    counts = [rows(floor, t) for t in (tables.outcomes, tables.defects, tables.dead_letters)]
    assert counts == [2, 1, 1]
    assert rows(floor, tables.alarms) == 1


def test_a_record_and_its_position_are_one(floor: Floor) -> None:
    """Where the rows are lost on the way, so is the position; read again, nothing is doubled."""
    floor.part(sequence=1)
    feed = floor.feeds[0]
    records = floor.broker.records(feed.topic)

    def crash(*_: object) -> None:
        raise RuntimeError("killed between the rows and the position")

    moved, feed._move = feed._move, crash  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        feed.keep(records)
    assert (rows(floor, tables.outcomes), feed.positions()) == (0, {})
    feed._move = moved  # type: ignore[method-assign]
    feed.keep(records)
    feed.keep(records)  # delivered again
    assert rows(floor, tables.outcomes) == 1
    assert feed.positions() == {records[0].partition.index: records[0].offset + 1}


def test_a_history_that_was_lost_is_read_again(floor: Floor) -> None:
    for sequence in range(5):
        floor.part(sequence=sequence, verdict=Verdict.DEFECT)
    floor.read()
    floor.database.close()
    (floor.folder / "history.sqlite3").unlink()
    floor.open()
    floor.read()
    assert (rows(floor, tables.outcomes), rows(floor, tables.defects)) == (5, 5)


def test_a_damaged_file_is_set_aside(tmp_path: Path) -> None:
    file = tmp_path / "history.sqlite3"
    file.write_bytes(b"this is no database, whatever its name says" * 100)
    database = open_database(f"sqlite:///{file}")
    assert database.secret()
    database.close()
    assert [each for each in tmp_path.iterdir() if ".broken-" in each.name]


def test_a_history_of_another_version_is_made_anew(floor: Floor) -> None:
    floor.part()
    floor.read()
    floor.database.close()
    with sqlite3.connect(floor.folder / "history.sqlite3") as connection:
        connection.execute("UPDATE meta SET value = '0' WHERE name = 'version'")
    floor.open()
    assert rows(floor, tables.outcomes) == 0
    assert floor.feeds[0].positions() == {}
    floor.read()
    assert rows(floor, tables.outcomes) == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://h/x", "mysql is not known"),
        ("nothing", "is no URL of a database"),
        ("sqlite://", "name a file"),
    ],
)
def test_a_database_that_cannot_be_is_refused(url: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        open_database(url)


def test_hostile_texts_and_numbers_stop_no_reading(floor: Floor) -> None:
    odd = floor.part(sequence=1).model_copy(
        update={"model_version": "v\x00" * 400, "calibration_id": "\u202e" + "x" * 5000}
    )
    assert odd.frame is not None
    far = odd.frame.model_copy(update={"camera_id": "line\x00-\x1b[2J", "frame_id": "far"})
    other = odd.model_copy(update={"frame": far, "outcome_id": "c" * 32})
    floor.publish(floor.settings.topics.outcomes, other)
    floor.alarm(count=10**30, cause="c" * 9999, message="m\x00")
    floor.producer.publish(
        [Outgoing(floor.settings.topics.outcomes, odd.encode().__class__(b"k", b"{", ()))]
    )
    last = floor.part(sequence=2)
    floor.read()
    with floor.database.read() as connection:
        assert find(connection, part_of(last)) is not None
        camera = select(tables.outcomes.c.camera).where(tables.outcomes.c.frame_id == "far")
        assert "\x00" not in connection.execute(camera).scalar_one()
    assert rows(floor, tables.alarms) == 1
    assert floor.feeds[0].passed_over == 1


def test_an_event_of_a_thousand_regions_is_cut(floor: Floor) -> None:
    outcome = floor.part(verdict=Verdict.PASS)
    event = floor.defect(outcome, b"x")
    region = event.regions[0].model_copy(update={"polygon": [(1, 1)] * 500})
    floor.publish(
        floor.settings.topics.defects, event.model_copy(update={"regions": [region] * 1000})
    )
    floor.read()
    with floor.database.read() as connection:
        text = connection.execute(select(tables.defects.c.event)).scalar_one()
    assert len(text) <= 60_000
    assert '"heatmap":"file' in text


def test_the_last_word_counts_in_whatever_order(floor: Floor) -> None:
    outcome = floor.part(verdict=Verdict.DEFECT)
    words = [
        Review.of(outcome, judgement, by="olga", at=NOW + timedelta(seconds=second))
        for second, judgement in enumerate((Judgement.RIGHT, Judgement.FALSE_ALARM))
    ]
    for word in (words[1], words[0], words[1]):
        floor.publish(floor.settings.topics.reviews, word)
    floor.read()
    with floor.database.read() as connection:
        part = find(connection, part_of(outcome))
    assert part is not None
    assert part.judgement == "false-alarm"


def test_the_last_announcement_of_a_camera_counts(floor: Floor) -> None:
    for minute, state in enumerate((CameraCondition.PAUSED, CameraCondition.RESUMED)):
        message = CameraState(
            state_id=f"{minute:032x}",
            camera="line-*",
            state=state,
            until=NOW + timedelta(hours=1),
            by="olga",
            announced_at=NOW + timedelta(minutes=minute),
        )
        floor.publish(floor.settings.topics.camera_states, message)
    floor.read()
    with floor.database.read() as connection:
        assert connection.execute(select(tables.pauses.c.state)).scalars().all() == ["resumed"]


def test_the_history_stays_within_its_age_and_rows(floor: Floor) -> None:
    for sequence in range(20):
        floor.part(sequence=sequence)
    old = floor.part(sequence=21)
    aged = old.model_copy(update={"decided_at": NOW - timedelta(days=40), "outcome_id": "f" * 32})
    floor.publish(floor.settings.topics.outcomes, aged)
    floor.read()
    assert rows(floor, tables.outcomes) == 22
    assert tidy(floor.database, keep_days=30, keep_rows=1000) == 1
    tidy(floor.database, keep_days=30, keep_rows=5)
    assert rows(floor, tables.outcomes) == 5


def test_a_clock_far_ahead_keeps_no_row_for_ever(floor: Floor) -> None:
    outcome = floor.part()
    ahead = outcome.model_copy(
        update={"decided_at": NOW + timedelta(days=9000), "outcome_id": "e" * 32}
    )
    floor.publish(floor.settings.topics.outcomes, ahead)
    floor.read()
    with floor.database.read() as connection:
        latest = connection.execute(select(func.max(tables.outcomes.c.decided_ms))).scalar_one()
    assert latest < (NOW + timedelta(hours=2)).timestamp() * 1000


def test_a_rejected_frame_without_headers_has_a_row(floor: Floor) -> None:
    outcome = floor.reject()
    bare = outcome.model_copy(
        update={"frame": None, "rejected": RejectReason.INVALID_HEADER, "outcome_id": "d" * 32}
    )
    floor.publish(floor.settings.topics.outcomes, bare)
    floor.read()
    with floor.database.read() as connection:
        part = find(connection, part_of(bare))
    assert part is not None
    assert part.reference is None
    assert part.camera == "frames-0"
