"""Collecting on real stores: notices, holds, crashes half way, two at once, writers meanwhile."""

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from evidence_cases import DAY, NOW, Clock, a_case, put

from workers.evidence.gc import collect, look
from workers.runtime.errors import StoreUnavailable
from workers.runtime.evidence.cases import Case, Hold, read_case
from workers.runtime.evidence.expiry import read_notice
from workers.runtime.evidence.settings import KeepSection
from workers.runtime.store.files import FolderBlobs
from workers.runtime.store.memory import MemoryBlobs

KEEP = KeepSection()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def blobs(clock: Clock) -> MemoryBlobs:
    return MemoryBlobs(clock)


def pictures(case: Case) -> list[str]:
    return list(case.pictures.values())


def hold(case: Case) -> Hold:
    since = datetime.fromtimestamp(NOW, UTC)
    return Hold(outcome_id=case.outcome_id, by="eva", why="claim", since=since)


def test_an_old_link_says_when_and_by_which_rule_its_picture_expired(
    blobs: MemoryBlobs, clock: Clock
) -> None:
    case = put(blobs, a_case(1, "bottle"))
    clock.now += 91 * DAY
    report = collect(blobs, KEEP)
    assert report.removed == 2
    found = read_notice(blobs.read(pictures(case)[0]))
    assert found is not None
    assert (found["case"], found["rule"]) == (case.outcome_id, "defect of bottle: 90 days")
    assert found["at"].startswith("2027-04-1")
    expired = read_case(blobs, case.name)
    assert expired is not None
    assert expired.expired is not None


def test_looking_changes_nothing(blobs: MemoryBlobs, clock: Clock) -> None:
    put(blobs, a_case(1))
    before = {name: blobs.read(name) for name in blobs.names("")}
    clock.now += 91 * DAY
    real = KeepSection.model_validate({"defect": {"days": 1e-9}, "near_miss": {"days": 1e-9}})
    assert look(blobs, real).fates is not None
    assert {name: blobs.read(name) for name in blobs.names("")} == before


def test_a_picture_that_a_younger_case_shares_stays(blobs: MemoryBlobs, clock: Clock) -> None:
    same = b"the same frame" * 50
    old = put(blobs, a_case(1, pictures=(same, b"heatmap one")))
    clock.now += 60 * DAY
    young = put(blobs, a_case(2, pictures=(same, b"heatmap two")))
    clock.now += 40 * DAY
    collect(blobs, KEEP)
    assert blobs.read(young.pictures["frame"]) == same
    assert read_notice(blobs.read(old.pictures["heatmap"]))
    clock.now += 60 * DAY
    collect(blobs, KEEP)
    assert read_notice(blobs.read(young.pictures["frame"]))


def test_a_picture_shared_with_an_older_defect_outlives_the_near_miss(
    blobs: MemoryBlobs, clock: Clock
) -> None:
    same = b"the same frame" * 50
    put(blobs, a_case(1, pictures=(same, b"a")))
    put(blobs, a_case(2, grade="near_miss", pictures=(same, b"b")))
    clock.now += 20 * DAY
    collect(blobs, KEEP)
    assert blobs.read(a_case(1, pictures=(same, b"a"))[0].pictures["frame"]) == same
    assert read_notice(blobs.read(a_case(2, pictures=(same, b"b"))[0].pictures["heatmap"]))


def test_what_is_held_stays_until_it_is_released(blobs: MemoryBlobs, clock: Clock) -> None:
    case = put(blobs, a_case(1))
    blobs.write(hold(case).name, hold(case).dumped())
    clock.now += 400 * DAY
    collect(blobs, KEEP)
    assert read_notice(blobs.read(pictures(case)[0])) is None
    blobs.delete(hold(case).name)
    collect(blobs, KEEP)
    assert read_notice(blobs.read(pictures(case)[0]))


def test_a_hold_that_nobody_can_read_still_holds(blobs: MemoryBlobs, clock: Clock) -> None:
    case = put(blobs, a_case(1))
    blobs.write(hold(case).name, b"{half a rec")
    clock.now += 400 * DAY
    collect(blobs, KEEP)
    assert read_notice(blobs.read(pictures(case)[0])) is None


class Meanwhile(MemoryBlobs):
    """A store in which something happens right after a name was written."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.after: dict[str, Callable[[], object]] = {}

    def write(self, name: str, data: bytes) -> str:
        url = super().write(name, data)
        happens = self.after.pop(name, None)
        if happens:
            happens()
        return url


def test_a_hold_at_the_last_moment_takes_the_mark_away(clock: Clock) -> None:
    blobs = Meanwhile(clock)
    case, other = put(blobs, a_case(1)), put(blobs, a_case(2))
    clock.now += 91 * DAY
    late = hold(case)
    blobs.after[case.name] = lambda: blobs.write(late.name, late.dumped())
    report = collect(blobs, KEEP)
    assert report.stayed == 1
    kept = read_case(blobs, case.name)
    assert kept == case
    assert read_notice(blobs.read(pictures(case)[0])) is None
    assert read_notice(blobs.read(pictures(other)[0]))


def test_a_picture_that_is_written_while_it_runs_stays(clock: Clock) -> None:
    blobs = Meanwhile(clock)
    same = b"the same frame" * 50
    old = put(blobs, a_case(1, pictures=(same, b"old")))
    clock.now += 91 * DAY
    new = a_case(2, pictures=(same, b"new"))
    blobs.after[old.name] = lambda: put(blobs, new)  # after the listing, before the removal
    collect(blobs, KEEP)
    assert blobs.read(new[0].pictures["frame"]) == same
    assert blobs.read(new[0].pictures["heatmap"]) == b"new"


class Breaks(MemoryBlobs):
    """A store that goes away at the first picture."""

    broken = False

    def supersede(self, name: str, before: float, instead: bytes | None) -> bool:
        if self.broken:
            raise StoreUnavailable("gone")
        return super().supersede(name, before, instead)


def test_what_a_crash_left_half_done_the_next_run_ends(clock: Clock) -> None:
    blobs = Breaks(clock)
    case = put(blobs, a_case(1))
    clock.now += 91 * DAY
    blobs.broken = True
    with pytest.raises(StoreUnavailable):
        collect(blobs, KEEP)
    assert read_notice(blobs.read(pictures(case)[0])) is None
    blobs.broken = False
    clock.now += 60
    assert collect(blobs, KEEP).removed == 2
    assert read_notice(blobs.read(pictures(case)[0]))
    clock.now += 60
    assert collect(blobs, KEEP).removed == 0


def test_in_the_end_nothing_is_left_of_a_case(blobs: MemoryBlobs, clock: Clock) -> None:
    put(blobs, a_case(1))
    clock.now += 91 * DAY
    collect(blobs, KEEP)
    clock.now += 366 * DAY
    collect(blobs, KEEP)
    assert blobs.names("") == ["gc/clock"]


def test_a_picture_of_before_records_goes_too_and_what_is_not_ours_stays(
    blobs: MemoryBlobs, clock: Clock
) -> None:
    _, named = a_case(1)
    for name, data in named.items():
        blobs.write(name, data)
    for name in ("doctor.txt", "backup/plan.pdf", "ab/notes.png"):
        blobs.write(name, b"somebody's")
    clock.now += 91 * DAY
    assert collect(blobs, KEEP).removed == 2
    assert set(blobs.names("")) == {"doctor.txt", "backup/plan.pdf", "ab/notes.png", "gc/clock"}


def aged(folder: Path, days: float) -> None:
    """Make everything in a folder so much older."""
    for path in folder.rglob("*"):
        if path.is_file():
            facts = path.stat()
            os.utime(path, (facts.st_mtime - days * DAY,) * 2)


def test_two_at_the_same_time_do_on_a_folder_what_one_does(tmp_path: Path) -> None:
    cases = [put(FolderBlobs(tmp_path), a_case(n)) for n in range(40)]
    aged(tmp_path, 91)
    kept = put(FolderBlobs(tmp_path), a_case(99))
    (tmp_path / "ab").mkdir(exist_ok=True)
    half = tmp_path / "ab" / ".x.part"
    half.write_bytes(b"half")
    os.utime(half, (0, 0))
    failures: list[Exception] = []

    def run() -> None:
        try:
            collect(FolderBlobs(tmp_path), KEEP)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    for case in cases:
        assert all(read_notice((tmp_path / name).read_bytes()) for name in pictures(case))
    assert not any(read_notice((tmp_path / name).read_bytes()) for name in pictures(kept))
    assert not list(tmp_path.rglob("*.part"))


def test_a_folder_that_is_written_while_it_is_collected_loses_nothing(tmp_path: Path) -> None:
    """The same pictures come again and again while their old cases expire."""
    blobs = FolderBlobs(tmp_path)
    same = [(f"frame {n}".encode() * 100, b"heat %d" % n) for n in range(20)]
    for number, data in enumerate(same):
        put(blobs, a_case(number, pictures=data))
    aged(tmp_path, 91)
    done = threading.Event()

    def write() -> None:
        for number, data in enumerate(same):
            put(blobs, a_case(1000 + number, pictures=data))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(3):
        collect(FolderBlobs(tmp_path), KEEP)
    writer.join(60)
    assert done.is_set()
    collect(FolderBlobs(tmp_path), KEEP)
    for data in same:
        case, named = a_case(0, pictures=data)
        assert {n: blobs.read(n) for n in case.pictures.values()} == named
