"""Collecting on an in-memory broker."""

import io
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from schemas.documents import samples
from schemas.frame import RAW_GRAY8, Frame, encode_frame, new_frame_id
from schemas.outcome import FrameRef, Outcome, RecordRef, RejectReason, Verdict, outcome_id
from schemas.part import PartRef
from stream_inspector.errors import DataError
from workers.collector.run import run_collect
from workers.collector.selection import Selection, draw
from workers.collector.settings import CollectorProcessSettings
from workers.offline.images.datasets import good_files
from workers.runtime.bus.memory import MemoryBroker
from workers.runtime.bus.memory_reader import MemoryReader
from workers.runtime.bus.ports import Outgoing, Partition
from workers.runtime.errors import SettingsError
from workers.runtime.part_filter import part_filter

EVERYTHING = Selection()
START = datetime(2026, 3, 1, 8, tzinfo=UTC)


def picture(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (number % 256, number // 256, 0)).save(buffer, "PNG")
    return buffer.getvalue()


class Line:
    """A broker, frames and outcomes on it, and the folder they are collected into."""

    def __init__(self, folder: Path) -> None:
        self.broker, self.folder = MemoryBroker(), folder
        self.broker.create_topic("frames", 2)
        self.broker.create_topic("outcomes", 2)
        self.stop = threading.Event()
        self.sent: list[Frame] = []
        self.places: list[RecordRef] = []

    def frame(self, verdict: Verdict | RejectReason | None = None, **changes: Any) -> Frame:
        number = len(self.sent)
        fields = {
            "frame_id": new_frame_id(),
            "camera_id": f"line-{number % 3}",
            "category": "bolts",
            "sequence": number,
            "captured_at": START + timedelta(minutes=number),
            "content_type": "image/png",
            "data": picture(number),
        }
        frame = Frame(**fields | changes)
        self.sent.append(frame)
        index = number % 2
        offset = self.broker.end(Partition("frames", index))
        self.places.append(RecordRef(topic="frames", partition=index, offset=offset))
        self.broker.append(Outgoing("frames", encode_frame(frame), index))
        if verdict is not None:
            self.decide(frame, verdict)
        return frame

    def decide(self, frame: Frame, verdict: Verdict | RejectReason) -> None:
        rejected = verdict if isinstance(verdict, RejectReason) else None
        reference = FrameRef(
            frame_id=frame.frame_id,
            camera_id=frame.camera_id,
            category=frame.category,
            sequence=frame.sequence,
            captured_at=frame.captured_at,
        )
        changes = {
            "outcome_id": outcome_id(frame.source, frame.frame_id, frame.run),
            "frame": reference,
            "verdict": None if rejected else verdict,
            "rejected": rejected,
        }
        changes["record"] = self.places[self.sent.index(frame)]
        outcome = Outcome(**samples.OUTCOME.model_dump() | changes)
        self.broker.append(Outgoing("outcomes", outcome.encode()))

    def collect(self, selection: Selection = EVERYTHING, terminal: bool = False, **how: Any) -> str:
        given = {f"collect.{key}": value for key, value in how.items()}
        flags = {"collect.out": str(self.folder), "collect.wait_s": 0.05} | given
        settings = CollectorProcessSettings.load(None, flags)
        console = Console(record=True, width=200, force_terminal=terminal)
        open_topic: Callable[[str], MemoryReader] = lambda topic: MemoryReader(self.broker, topic)  # noqa: E731
        run_collect(settings, selection, open_topic, self.stop, console)
        return console.export_text()

    def good(self, category: str = "bolts") -> list[bytes]:
        return [p.read_bytes() for p in sorted((self.folder / category / "train/good").iterdir())]

    def book(self, category: str = "bolts") -> list[dict[str, Any]]:
        lines = (self.folder / category / "collected.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture
def line(tmp_path: Path) -> Line:
    return Line(tmp_path / "data")


@pytest.mark.slow
def test_frames_become_a_folder_that_training_reads(line: Line) -> None:
    for _ in range(25):
        line.frame()
    line.frame(category="nuts")
    said = line.collect()
    assert sorted(line.good()) == sorted(f.data for f in line.sent[:25])
    assert line.good("nuts") == [line.sent[25].data]
    files = good_files(line.folder / "bolts")
    assert len(files.train) + len(files.select) + len(files.calibrate) == 25
    assert "bolts: 25 images taken, 25 in all" in said
    assert "Look through them" in said


def test_a_terminal_sees_a_bar(line: Line) -> None:
    for _ in range(3):
        line.frame()
    said = line.collect(terminal=True)
    assert "3 images taken" in said
    assert "3/3" in said


def test_the_book_says_which_frame_each_file_is(line: Line) -> None:
    frame = line.frame(Verdict.PASS)
    line.collect(verdict="good")
    [entry] = line.book()
    assert (line.folder / "bolts" / entry["file"]).read_bytes() == frame.data
    assert (entry["frame_id"], entry["camera_id"]) == (frame.frame_id, "line-0")
    assert entry["captured_at"] == START.isoformat()
    assert entry["outcome"] == "pass"


def test_nobody_notices_a_collector(line: Line) -> None:
    line.frame()
    worker = line.broker.consumer("inspectors", ["frames"])
    line.collect()
    assert line.broker.members("inspectors") == [worker]
    assert len(worker.poll(0)) == 1
    assert set(line.broker._groups) == {"inspectors"}


@pytest.mark.slow
def test_a_second_run_takes_only_what_is_new(line: Line) -> None:
    for _ in range(3):
        line.frame()
    line.collect()
    kept = line.folder / "bolts" / line.book()[0]["file"]
    kept.unlink()  # somebody found it defective
    line.frame()
    said = line.collect()
    assert "1 images taken, 4 in all" in said
    assert "3 collected before" in said
    assert not kept.exists()
    assert len(line.book()) == 4


@pytest.mark.slow
def test_a_run_that_was_killed_in_the_middle_of_a_line_is_taken_up(line: Line) -> None:
    for _ in range(3):
        line.frame()
    line.collect()
    book = line.folder / "bolts/collected.jsonl"
    book.write_text(book.read_text()[:-30])
    line.collect()
    assert len(line.good()) == 3
    whole = [text for text in book.read_text().splitlines() if text.endswith("}")]
    assert len({json.loads(text)["id"] for text in whole}) == 3


@pytest.mark.slow
def test_the_limit_counts_what_is_there_already(line: Line) -> None:
    for _ in range(6):
        line.frame()
    for expected in (4, 4, 5):
        line.collect(limit=expected)
        assert len(line.good()) == expected
    line.collect(limit=0)
    assert len(line.good()) == 6


def test_camera_category_and_time(line: Line) -> None:
    for _ in range(9):
        line.frame()
    line.frame(category="nuts", camera_id="line-1")
    line.collect(
        Selection(
            cameras=frozenset({"line-1"}),
            categories=frozenset({"bolts"}),
            since=START + timedelta(minutes=2),
            until=START + timedelta(minutes=7),
        )
    )
    assert line.good() == [line.sent[4].data]
    assert not (line.folder / "nuts").exists()


def test_parts_of_a_lot_are_taken_and_the_book_says_who_they_are(line: Line) -> None:
    for lot in ("L-16", "L-17", None):
        line.frame(part=PartRef(serial=f"of {lot}", lot=lot))
    line.frame()
    line.collect(Selection(parts=part_filter(["lot=L-17"])))
    assert line.good() == [line.sent[1].data]
    assert [entry["part"] for entry in line.book()] == [{"serial": "of L-17", "lot": "L-17"}]


@pytest.mark.slow
def test_a_share_is_always_the_same_and_about_as_large(line: Line) -> None:
    for _ in range(200):
        line.frame()
    line.collect(Selection(share=0.25))
    found = set(line.good())
    assert 25 <= len(found) <= 80
    assert found == {f.data for f in line.sent if draw(f.frame_id) < 0.25}
    line.collect(Selection(share=0.5))
    assert found < set(line.good())


def every_outcome(line: Line) -> dict[str | None, Frame]:
    outcomes = (*Verdict, RejectReason.UNDECODABLE, None)
    return {outcome and outcome.value: line.frame(outcome) for outcome in outcomes}


def test_only_what_passed_is_good(line: Line) -> None:
    frames = every_outcome(line)
    said = line.collect(verdict="good")
    assert line.good() == [frames["pass"].data]
    for words in ("1 defect", "1 near_miss", "1 rejected", "1 outcome not known"):
        assert words in said
    assert not (line.folder / "bolts/apart").exists()
    assert "Look through" not in said


def test_what_is_not_good_lies_apart(line: Line) -> None:
    frames = every_outcome(line)
    line.collect(verdict="apart")
    for folder, name in (("near_miss", "near_miss"), ("defect", "defect"), ("rejected", None)):
        [file] = (line.folder / "bolts/apart" / folder).iterdir()
        wanted = frames[name or "undecodable"]
        assert file.read_bytes() == wanted.data
    assert line.good() == [frames["pass"].data]
    with pytest.raises(DataError):  # only too few: what lies apart does not disturb training
        good_files(line.folder / "bolts")


def test_an_outcome_that_comes_later_is_taken_by_a_later_run(line: Line) -> None:
    frame = line.frame()
    assert "outcome not known" in line.collect(verdict="good")
    line.decide(frame, Verdict.PASS)
    line.collect(verdict="good")
    assert line.good() == [frame.data]


def test_a_replayed_frame_goes_by_the_outcome_of_its_run_and_is_taken_once(line: Line) -> None:
    frame = line.frame(RejectReason.INSPECTION_FAILED)
    again = line.frame(
        Verdict.PASS, frame_id=frame.frame_id, camera_id=frame.camera_id, run="r-1", data=frame.data
    )
    line.collect(verdict="good")
    assert line.good() == [again.data]
    line.collect()
    assert line.good() == [again.data]


@pytest.mark.slow
def test_following_takes_frames_as_they_come_until_the_limit(line: Line) -> None:
    first = line.frame(Verdict.PASS)
    thread = threading.Thread(
        target=line.collect,
        args=(Selection(categories=frozenset({"bolts"})),),
        kwargs={"follow": True, "limit": 3, "verdict": "good", "wait_s": 5},
        daemon=True,
    )
    thread.start()
    later = [line.frame() for _ in range(3)]
    for frame, verdict in zip(later, (Verdict.PASS, Verdict.DEFECT, Verdict.PASS), strict=True):
        line.decide(frame, verdict)
    thread.join(10)
    assert not thread.is_alive()
    assert sorted(line.good()) == sorted(f.data for f in (first, later[0], later[2]))


def test_a_stop_ends_it_in_order(line: Line) -> None:
    line.frame()
    line.stop.set()
    said = line.collect(follow=True)
    assert "0 records read" in said


def test_names_from_outside_cannot_leave_the_folder(line: Line, tmp_path: Path) -> None:
    line.frame(camera_id="../../../etc/x", frame_id="../" * 9)
    line.frame(category="../nuts")
    said = line.collect()
    assert "1 category is no folder's name" in said
    assert {p.name for p in tmp_path.iterdir()} == {"data"}
    [file] = (line.folder / "bolts/train/good").iterdir()
    assert file.suffix == ".png"


def test_what_is_no_picture_is_left_out(line: Line) -> None:
    whole = line.frame()
    line.frame(data=b"no image at all")
    line.frame(data=whole.data[:50])
    line.broker.append(Outgoing("frames", samples.OUTCOME.encode()))
    said = line.collect()
    assert line.good() == [whole.data]
    assert "1 no whole picture" in said
    assert "1 damaged picture" in said
    assert "1 no readable frame" in said


def lost_data(data: bytes) -> bytes:
    """A JPEG of which only the head is left; it ends as it should."""
    at = data.rindex(b"\xff\xda") + 2
    return data[: at + int.from_bytes(data[at : at + 2])] + b"\xff\xd9"


def test_a_picture_that_lost_data_is_not_taken_for_training(line: Line) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 40).save(buffer, "JPEG")
    whole, damaged = buffer.getvalue(), lost_data(buffer.getvalue())
    line.frame(Verdict.PASS, data=whole, content_type="image/jpeg")
    line.frame(Verdict.PASS, data=damaged, content_type="image/jpeg")
    said = line.collect()
    assert line.good() == [whole]
    assert "1 damaged picture" in said


def test_raw_pixels_become_a_picture_without_loss(line: Line) -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(6, 8)
    line.frame(content_type=RAW_GRAY8, data=pixels.tobytes(), width=8, height=6)
    line.frame(content_type=RAW_GRAY8, data=b"short", width=8, height=6)
    line.collect()
    [data] = line.good()
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), pixels)


@pytest.mark.slow
def test_memory_for_outcomes_is_bounded_and_nothing_defective_slips_through(line: Line) -> None:
    for number in range(30):
        line.frame(Verdict.DEFECT if number % 3 else Verdict.PASS)
    said = line.collect(verdict="good", outcomes=10)
    assert "20 outcomes were more than collect.outcomes holds" in said
    good = {f.data for n, f in enumerate(line.sent) if n % 3 == 0}
    assert 0 < len(line.good()) < 10
    assert set(line.good()) <= good


def test_outcomes_of_frames_that_are_not_meant_take_no_memory(line: Line) -> None:
    wanted = line.frame(Verdict.PASS)
    for _ in range(20):
        line.frame(Verdict.PASS, category="nuts")
    said = line.collect(Selection(categories=frozenset({"bolts"})), verdict="good", outcomes=10)
    assert "more than" not in said
    assert line.good() == [wanted.data]


@pytest.mark.slow
def test_at_the_end_outcomes_are_waited_for(line: Line) -> None:
    frame = line.frame()
    threading.Timer(0.2, line.decide, (frame, Verdict.PASS)).start()
    line.collect(verdict="good", wait_s=10)
    assert line.good() == [frame.data]


def test_a_topic_that_is_not_there_is_named(line: Line) -> None:
    settings = CollectorProcessSettings.load(None, {"topics.frames": "elsewhere"})

    def read(topic: str) -> MemoryReader:
        return MemoryReader(line.broker, topic)

    with pytest.raises(SettingsError, match=r"topics\.frames: .*'elsewhere'"):
        run_collect(settings, Selection(), read, line.stop, Console())


@pytest.mark.slow
def test_frames_that_bear_one_id_have_outcomes_of_their_own(line: Line) -> None:
    counted = {"frame_id": "1", "camera_id": "line-1", "captured_at": START}
    for verdict in (Verdict.PASS, Verdict.DEFECT, Verdict.PASS, Verdict.DEFECT):
        line.frame(verdict, **counted)
    said = line.collect(verdict="good")
    assert "bolts: 2 images taken, 2 in all" in said
    taken = [path.read_bytes() for path in sorted(line.folder.glob("bolts/train/good/*.png"))]
    assert sorted(taken) == sorted([picture(0), picture(2)])
    assert "2 defect" in said
    assert "2 images taken, 2 in all" not in line.collect(verdict="good")  # each once


def test_an_outcome_of_an_earlier_topic_of_that_name_is_none_of_this_frame(line: Line) -> None:
    frame = line.frame()
    other = line.places[0].model_copy(update={"offset": 77})
    line.places[0] = other
    line.decide(frame, Verdict.PASS)
    assert "1 outcome not known" in line.collect(verdict="good")


@pytest.mark.parametrize("follow", [False, True])
@pytest.mark.slow
def test_a_category_that_is_not_there_is_told_with_those_that_are(line: Line, follow: bool) -> None:
    for _ in range(3):
        line.frame(category="macaroni", camera_id="cam-1")
    line.frame(category="nuts", camera_id="cam-2")
    if follow:
        threading.Timer(1.0, line.stop.set).start()
    said = line.collect(Selection(categories=frozenset({"macarony"})), follow=follow)
    assert "no frames of macarony so far; there are frames of: macaroni by cam-1 (3), nuts" in said
    assert said.count("no frames of") == 1
    assert ("waiting for some" in said) == follow


def test_a_camera_that_is_not_there_is_told_with_those_that_are(line: Line) -> None:
    line.frame(category="nuts", camera_id="cam-2")
    said = line.collect(Selection(cameras=frozenset({"cam-3"})))
    assert "no frames of the cameras cam-3 so far; there are frames of: nuts by cam-2 (1)" in said


def test_categories_that_nobody_asked_for_take_no_memory_without_end(line: Line) -> None:
    for number in range(70):
        line.frame(category=f"made-up-{number}", camera_id="cam-1")
    said = line.collect(Selection(categories=frozenset({"bolts"})))
    assert said.count("made-up-") == 50
