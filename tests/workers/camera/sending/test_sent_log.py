"""The camera's book on a disk that is full: frames go out, and what the book lacks is told."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.documents.samples import FRAME
from workers.camera.sending.sent_log import SentLog
from workers.camera.sending.spool import Captured
from workers.camera.sources import Shot

pytestmark = pytest.mark.integration

SMALL = 16 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("cannot mount a small disk here")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)  # noqa: S607


def captured(path: str = "a.png") -> Captured:
    return Captured(FRAME, Shot(FRAME.data, FRAME.content_type, path=path))


def test_a_full_disk_costs_lines_and_no_frame(
    small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with SentLog(small_disk / "sent.jsonl") as book:
        for _ in range(200):
            book.write([captured()])
        assert 0 < book.missing < 200
        missing = book.missing
        os.truncate(small_disk / "sent.jsonl", 0)
        book.write([captured()])
        assert book.missing == missing
    lines = (small_disk / "sent.jsonl").read_text().splitlines()
    assert [json.loads(line)["frame_id"] for line in lines] == [FRAME.frame_id]
    said = capsys.readouterr().out
    assert said.count("frames are sent without a line") == 1
    assert "lacks frames" in said
    assert str(missing) in said


def test_lines_are_whole_on_a_disk_that_fills(small_disk: Path) -> None:
    with SentLog(small_disk / "sent.jsonl") as book:
        for _ in range(200):
            book.write([captured(), captured()])
    for line in (small_disk / "sent.jsonl").read_text().splitlines():
        assert json.loads(line)["frame_id"] == FRAME.frame_id


def test_a_name_that_is_no_text_is_noted(tmp_path: Path) -> None:
    with SentLog(tmp_path / "sent.jsonl") as book:
        book.write([captured(os.fsdecode(b"Gr\xf6\xdfe.png"))])
    [line] = (tmp_path / "sent.jsonl").read_bytes().splitlines()
    assert os.fsencode(json.loads(line)["path"]) == b"Gr\xf6\xdfe.png"
