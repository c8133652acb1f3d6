"""What waits is on disk, in order of rank, bounded, and costs the same however much there is."""

import json
import time
from pathlib import Path

import pytest
from alarms import alarm, critical, notice
from structlog.testing import capture_logs

from schemas.alarm import Alarm
from workers.notifier.delivering.journal import Journal, read_lines, written
from workers.notifier.delivering.outbox import Outbox
from workers.notifier.delivering.waiting import alarms_of
from workers.runtime.errors import SettingsError

SIZE = len(notice(100).model_dump_json()) + 32


_running: dict[Path, Outbox] = {}


def outbox(folder: Path, *channels: str, max_bytes: int = 2**24) -> Outbox:
    """A notifier's; one that ran there before has died."""
    if folder in _running:
        _running[folder]._journal.close()
    _running[folder] = Outbox(folder, channels or ("mail",), max_bytes)
    return _running[folder]


def waiting(box: Outbox, channel: str = "mail") -> list[str]:
    group = box.queues[channel].next(10_000, one_cause=False)
    return [kept.alarm.message for kept in group]


def put(box: Outbox, *alarms: Alarm, to: tuple[str, ...] = ("mail",)) -> dict[str, int]:
    return box.put([(each, to) for each in alarms])


def settle(box: Outbox, count: int, channel: str = "mail") -> None:
    box.settle(channel, box.queues[channel].next(count, one_cause=False))


def test_what_waits_is_there_after_a_new_start_without_an_end(tmp_path: Path) -> None:
    put(outbox(tmp_path, "mail", "topic"), alarm(1), alarm(2), to=("mail", "topic"))
    again = outbox(tmp_path, "mail", "topic")
    assert waiting(again, "mail") == waiting(again, "topic") == ["m1", "m2"]


def test_each_channel_settles_for_itself(tmp_path: Path) -> None:
    box = outbox(tmp_path, "mail", "topic")
    put(box, alarm(1), alarm(2), to=("mail", "topic"))
    settle(box, 1, "topic")
    settle(box, 2, "mail")
    again = outbox(tmp_path, "mail", "topic")
    assert (waiting(again, "mail"), waiting(again, "topic")) == ([], ["m2"])


def test_news_come_first_and_equals_in_order(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    put(box, notice(1), notice(2), critical(notice(3)), alarm(4), critical(alarm(5)), notice(6))
    assert waiting(box) == ["m5", "m4", "m3", "m1", "m2", "m6"]
    assert waiting(outbox(tmp_path)) == ["m5", "m4", "m3", "m1", "m2", "m6"]


def test_a_full_queue_gives_up_the_lowest_rank_and_says_so(tmp_path: Path) -> None:
    box = outbox(tmp_path, max_bytes=4 * SIZE)
    with capture_logs() as logs:
        put(box, alarm(100), notice(101), notice(102))
        lost = put(box, critical(notice(103)), notice(104), notice(105))
    assert waiting(box) == ["m100", "m103", "m104", "m105"]
    assert lost == {"mail": 2}
    told = [entry["alarm"] for entry in logs if "given up" in entry["event"]]
    assert told == ["m101", "m102"]
    assert waiting(outbox(tmp_path)) == ["m100", "m103", "m104", "m105"]


def test_an_alarm_that_is_made_again_is_not_kept_again(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    put(box, alarm(1), alarm(2))
    put(box, alarm(1))
    settle(box, 1)
    put(box, alarm(1))
    assert waiting(box) == ["m2"]
    again = outbox(tmp_path)
    put(again, alarm(1), alarm(2), alarm(1, count=5, message="summary"))
    assert waiting(again) == ["m2", "summary"]


@pytest.mark.slow
def test_settling_costs_the_same_however_much_waits(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    put(box, *map(alarm, range(5000)))
    path = tmp_path / "outbox.jsonl"
    before = path.stat()
    settle(box, 100)
    after = path.stat()
    assert (after.st_ino, after.st_size) == (before.st_ino, before.st_size)  # nothing rewritten
    begun = time.process_time()
    for _ in range(1000):
        settle(box, 1)
    assert time.process_time() - begun < 2.5  # a rewrite of 5000 alarms takes 20 ms


@pytest.mark.slow
def test_the_file_is_compacted_now_and_then(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    keep = alarm(10**6, message="stays")
    put(box, critical(keep))
    for start in range(0, 6000, 500):
        put(box, *(notice(start + n) for n in range(500)))
        found = box.queues["mail"].next(1000, one_cause=False)
        box.settle("mail", [kept for kept in found if kept.alarm.message != "stays"])
    assert (tmp_path / "outbox.jsonl").stat().st_size < 1.2 * 2**20
    settle(box, 1)
    assert waiting(outbox(tmp_path)) == []


@pytest.mark.slow
def test_a_compaction_moves_what_waits(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    put(box, *(notice(n) for n in range(4000)))
    settle(box, 3999)
    put(box, alarm(4001))
    assert sum(1 for _ in read_lines(tmp_path / "outbox.jsonl")) < 1000
    settle(box, 1)
    assert waiting(outbox(tmp_path)) == ["m3999"]


def test_a_line_torn_by_a_crash_costs_that_line(tmp_path: Path) -> None:
    put(outbox(tmp_path), alarm(1))
    with (tmp_path / "outbox.jsonl").open("ab") as file:
        file.write(written(alarm(2).model_dump_json().encode(), ["mail"])[:100])
    with capture_logs() as logs:
        box = outbox(tmp_path)
    assert [entry["line"] for entry in logs] == [2]
    put(box, alarm(3))
    settle(box, 1)
    assert waiting(outbox(tmp_path)) == ["m3"]


@pytest.mark.parametrize(
    "line",
    [b"", b"null", b"[]", b"\xff\x00", b'{"state":"w"}', b'{"state":"ww","to":["a"],"alarm":{}}'],
)
def test_a_line_that_cannot_be_read_is_passed_over(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "outbox.jsonl").write_bytes(line + b"\n")
    box = outbox(tmp_path)
    put(box, alarm(1))
    assert waiting(outbox(tmp_path)) == ["m1"]


def test_alarms_for_a_channel_that_is_gone_are_named_and_stay(tmp_path: Path) -> None:
    put(outbox(tmp_path, "json-1"), alarm(1), to=("json-1",))
    assert outbox(tmp_path, "mail").strangers() == {"json-1": 1}
    assert waiting(outbox(tmp_path, "json-1"), "json-1") == ["m1"]


def test_what_an_earlier_version_left_is_taken_over(tmp_path: Path) -> None:
    former = tmp_path / "undelivered" / "mail.jsonl"
    former.parent.mkdir()
    former.write_text("".join(alarm(n).model_dump_json() + "\n" for n in (1, 2)) + '{"torn')
    (former.parent / "gone.jsonl").write_text(alarm(3).model_dump_json() + "\n")
    with capture_logs() as logs:
        assert waiting(outbox(tmp_path)) == ["m1", "m2"]
    assert not former.exists()
    files = [entry["file"] for entry in logs if "not there" in entry["event"]]
    assert [Path(file).name for file in files] == ["gone.jsonl"]
    assert waiting(outbox(tmp_path)) == ["m1", "m2"]


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"notifier\.folder"):
        outbox(tmp_path / "file")


def test_the_journal_can_be_read_by_people(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "outbox.jsonl")
    journal.open()
    (offset,) = journal.append([(alarm(1).model_dump_json().encode(), ["mail", "topic"])])
    journal.settle(offset, 1, "d")
    content = json.loads((tmp_path / "outbox.jsonl").read_text())
    assert (content["state"], content["to"], content["alarm"]["message"]) == (
        *("wd", ["mail", "topic"], "m1"),
    )
    assert alarms_of([]) == []
