"""Another program writes into a folder: each picture is sent once, whole, and then moved."""

import io
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from schemas.frame import decode_frame
from tests.workers.camera.test_run_camera import settings
from workers.camera.run import run_camera
from workers.camera.settings import PartSettings
from workers.camera.sources import Missed, Refusal, Shot, Taken
from workers.camera.watched import watched_shots
from workers.runtime.bus.memory import MemoryBroker
from workers.runtime.errors import SettingsError
from workers.runtime.lifecycle import StopSignal

PATIENCE_S = 20.0


def picture(grey: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 8), grey).save(buffer, "PNG")
    return buffer.getvalue()


class Watched:
    """A camera on a folder, in a thread."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.broker, self.stop = folder, MemoryBroker(), StopSignal()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        given = settings(source=f"watch:{self.folder}", settle_s=0.1)
        run_camera(given, self.broker.producer, self.stop)

    def sent(self) -> list[bytes]:
        return [decode_frame(r.headers, r.value).data for r in self.broker.records("frames")]

    def end(self) -> None:
        self.stop.set()
        self._thread.join(PATIENCE_S)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    found = Watched(tmp_path)
    yield found
    found.end()


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_pictures_are_sent_once_and_moved_when_the_broker_has_them(watched: Watched) -> None:
    for number in range(3):
        (watched.folder / f"{number}.png").write_bytes(picture(number))
    until(lambda: len(list(watched.folder.glob("sent/*.png"))) == 3)
    assert sorted(watched.sent()) == sorted(picture(n) for n in range(3))
    assert not list(watched.folder.glob("*.png"))
    time.sleep(0.4)
    assert len(watched.sent()) == 3


def test_a_file_that_is_still_written_waits_until_it_is_whole(watched: Watched) -> None:
    whole, file = picture(7), watched.folder / "slow.png"
    for end in range(8, len(whole), 8):
        file.write_bytes(whole[:end])
        time.sleep(0.03)
    file.write_bytes(whole)
    until(lambda: len(watched.sent()) > 0)
    assert watched.sent() == [whole]


def test_a_file_that_is_moved_in_and_names_that_come_again_are_new_pictures(
    watched: Watched,
) -> None:
    for grey in (1, 2):
        (watched.folder / "writing.tmp").write_bytes(picture(grey))
        (watched.folder / "writing.tmp").rename(watched.folder / "part.png")
        until(lambda grey=grey: len(watched.sent()) == grey)  # type: ignore[misc]
        until(lambda: not (watched.folder / "part.png").exists())
    assert watched.sent() == [picture(1), picture(2)]
    assert len(list(watched.folder.glob("sent/*.png"))) == 2


def test_a_file_that_cannot_be_sent_is_put_aside(watched: Watched) -> None:
    (watched.folder / "big.png").write_bytes(b"\x89PNG" + bytes(9 * 2**20))
    (watched.folder / "good.png").write_bytes(picture(1))
    until(lambda: watched.sent() == [picture(1)])
    until((watched.folder / "refused" / "big.png").exists)
    (watched.folder / "next.png").write_bytes(picture(2))
    until(lambda: len(watched.sent()) == 2)
    frames = [decode_frame(r.headers, r.value) for r in watched.broker.records("frames")]
    assert frames[-1].sequence == 2  # two pictures, and a part that nobody will see


def test_what_the_broker_does_not_have_stays_in_its_folder(watched: Watched) -> None:
    watched.broker.available = False
    (watched.folder / "part.png").write_bytes(picture(1))
    time.sleep(0.6)
    assert (watched.folder / "part.png").exists()
    watched.broker.available = True
    until((watched.folder / "sent" / "part.png").exists)
    assert watched.sent() == [picture(1)]


class Looks:
    """A folder that is looked at when the test says so, and a clock that the test sets."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now_s, stop = folder, 0.0, StopSignal()
        stop.wait = lambda timeout: False  # type: ignore[method-assign]
        self._shots = watched_shots(
            folder, 2**20, 0.1, stop, PartSettings(), clock=lambda: self.now_s
        )

    def look(self, times: int = 1) -> list[Taken]:
        """What came of so many looks."""
        found, looked = [], 0
        while looked < times:
            found.append(next(self._shots))
            looked += found[-1] is None
        return [each for each in found if each is not None]


@pytest.fixture
def looks(tmp_path: Path) -> Looks:
    return Looks(tmp_path)


def data(taken: list[Taken]) -> list[bytes]:
    return [each.data for each in taken if isinstance(each, Shot)]


def test_a_share_that_is_away_for_a_while_has_no_picture_sent_twice(looks: Looks) -> None:
    (looks.folder / "part.png").write_bytes(picture(1))
    assert data(looks.look(2)) == [picture(1)]  # the broker does not have it yet
    away = looks.folder.with_name("away")
    looks.folder.rename(away)
    assert looks.look(2) == []
    away.rename(looks.folder)
    assert looks.look(3) == []
    (looks.folder / "part.png").write_bytes(picture(2))
    assert data(looks.look(2)) == [picture(2)]


def test_a_file_that_is_replaced_before_its_turn_is_looked_at_anew(looks: Looks) -> None:
    first, second = looks.folder / "1.png", looks.folder / "2.png"
    for number, file in enumerate((first, second)):
        file.write_bytes(picture(number))
        os.utime(file, (number, number))
    looks.look()
    assert data([next(looks._shots)]) == [picture(0)]  # it waits for room in the spool
    second.write_bytes(picture(9)[:20])
    assert looks.look() == []
    second.write_bytes(picture(9))
    assert data(looks.look(4)) == [picture(9)]


def test_a_file_that_stays_empty_is_a_part_that_nobody_saw(looks: Looks) -> None:
    (looks.folder / "part.png").touch()
    assert looks.look(5) == []
    looks.now_s = 31.0
    refusal, missed = looks.look()
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "is empty"
    assert missed == Missed(1, "refused")
    assert (looks.folder / "refused" / "part.png").exists()
    assert looks.look(2) == []


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    given = settings(source=f"watch:{tmp_path / 'nowhere'}")
    with pytest.raises(SettingsError, match="nowhere: no such folder"):
        run_camera(given, MemoryBroker().producer, StopSignal())


def test_a_live_source_is_one_camera() -> None:
    with pytest.raises(SettingsError, match="is one camera"):
        settings(source="basler:", count=2)
