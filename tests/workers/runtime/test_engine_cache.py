import errno
import os
import resource
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from workers.runtime.engine_cache import EngineCache, default_folder


def test_what_is_put_is_there_for_the_next_process(tmp_path: Path) -> None:
    EngineCache(tmp_path / "new").put("graph-1", b"bytes")
    assert EngineCache(tmp_path / "new").get("graph-1") == b"bytes"
    assert EngineCache(tmp_path / "new").get("graph-2") is None
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["graph-1"]


@pytest.mark.parametrize("damaged", [b"", b"short", b"x" * 100])
def test_a_damaged_entry_is_removed(damaged: bytes, tmp_path: Path) -> None:
    (tmp_path / "graph-1").write_bytes(damaged)
    assert EngineCache(tmp_path).get("graph-1") is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "pipe", "huge", "loop", "device"])
def test_what_is_no_entry_costs_a_line_and_no_more(kind: str, tmp_path: Path) -> None:
    path, cache = tmp_path / "graph-1", EngineCache(tmp_path, most_bytes=10_000)
    if kind == "folder":
        (path / "inside").mkdir(parents=True)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "huge":
        with path.open("wb") as file:
            file.truncate(2**40)  # holes only
    else:
        path.symlink_to(path if kind == "loop" else "/dev/zero")
    with capture_logs() as logs:
        assert cache.get("graph-1") is None
    assert len(logs) == 1
    cache.put("graph-1", b"bytes")
    cache.put("graph-2", b"bytes")
    assert cache.get("graph-2") == b"bytes"
    left = sorted(each.name for each in tmp_path.iterdir())
    assert left == ["graph-1", "graph-2"]  # nothing half written
    assert (cache.get("graph-1") == b"bytes") == (kind != "folder")


def test_a_full_disk_costs_a_line_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with capture_logs() as logs:
            cache.put("graph-1", b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert ["cannot be written" in each["event"] for each in logs] == [True]
    assert list(tmp_path.iterdir()) == []
    cache.put("graph-1", b"x")
    assert cache.get("graph-1") == b"x"


def test_a_folder_that_is_only_read_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    EngineCache(tmp_path).put("graph-1", b"bytes")

    def read_only(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "utime", read_only)
    assert EngineCache(tmp_path).get("graph-1") == b"bytes"


def test_the_entries_used_longest_ago_give_way(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path, most_bytes=300)
    (tmp_path / "notes.txt").write_bytes(b"x" * 1000)
    for age, key in enumerate(("graph-a", "graph-b")):
        cache.put(key, b"x" * 100)
        os.utime(tmp_path / key, (1000 + age, 1000 + age))
    assert cache.get("graph-a")  # now the one used last
    cache.put("choice-c", b"x" * 100)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["choice-c", "graph-a", "notes.txt"]


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = EngineCache(tmp_path / "file" / "folder")
    cache.put("graph-1", b"bytes")
    assert cache.get("graph-1") is None


def test_the_folder_follows_the_desktop_standard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert default_folder() == Path("/somewhere/stream-inspector")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert default_folder() == Path("/home/someone/.cache/stream-inspector")
