"""The same promises from every blob store."""

import errno
import os
import threading
import uuid
from pathlib import Path

import pytest
from s3fs import S3FileSystem

from workers.runtime.errors import SettingsError, StoreUnavailable
from workers.runtime.store.files import open_blobs
from workers.runtime.store.memory import MemoryBlobs
from workers.runtime.store.ports import BlobStore


@pytest.fixture(params=["folder", "remote", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    if request.param == "folder":
        return open_blobs(str(tmp_path / "store"))
    if request.param == "remote":
        return open_blobs(f"memory://{uuid.uuid4()}")
    return MemoryBlobs()


def test_what_is_written_is_read(blobs: BlobStore) -> None:
    url = blobs.write("a/b.bin", b"one")
    assert "b.bin" in url
    assert blobs.read("a/b.bin") == b"one"
    blobs.write("a/b.bin", b"two")
    assert blobs.read("a/b.bin") == b"two"


def test_create_takes_a_name_once(blobs: BlobStore) -> None:
    assert blobs.create("x/1", b"first")
    assert not blobs.create("x/1", b"second")
    assert blobs.read("x/1") == b"first"


def test_what_is_deleted_is_gone_and_its_name_free(blobs: BlobStore) -> None:
    blobs.write("x/1", b"first")
    blobs.delete("x/1")
    assert blobs.names("x/") == []
    assert blobs.create("x/1", b"second")
    blobs.delete("x/none")


def test_a_store_says_whether_create_keeps_its_word(blobs: BlobStore, tmp_path: Path) -> None:
    assert blobs.exclusive
    chained = f"simplecache::file://{tmp_path}"  # checks, then writes
    assert not open_blobs(chained).exclusive


def test_a_folder_without_hard_links_creates_exclusively_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    store = open_blobs(str(tmp_path))
    assert store.create("x/1", b"first")
    assert not store.create("x/1", b"second")
    assert store.read("x/1") == b"first"


def test_names_under_a_prefix(blobs: BlobStore) -> None:
    for name in ("c/bolts/2", "c/bolts/1", "c/bolts-m8/1", "d/1"):
        blobs.write(name, b"")
    assert blobs.names("c/bolts/") == ["c/bolts/1", "c/bolts/2"]
    assert blobs.names("c/bolts") == ["c/bolts-m8/1", "c/bolts/1", "c/bolts/2"]
    assert blobs.names("nothing/") == []


def test_a_missing_blob(blobs: BlobStore) -> None:
    with pytest.raises(FileNotFoundError):
        blobs.read("none")


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "", "a\\b"])
def test_names_stay_inside(tmp_path: Path, name: str) -> None:
    for store in (open_blobs(str(tmp_path)), open_blobs("memory://inside")):
        with pytest.raises(ValueError, match="not a blob name"):
            store.write(name, b"")


def test_only_one_of_many_creators_wins(tmp_path: Path) -> None:
    store, wins = open_blobs(str(tmp_path)), []
    barrier = threading.Barrier(8)

    def create(number: int) -> None:
        barrier.wait()
        if store.create("switch", str(number).encode()):
            wins.append(number)

    threads = [threading.Thread(target=create, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [store.read("switch")] == [str(number).encode() for number in wins]
    assert [path.name for path in tmp_path.iterdir()] == ["switch"]  # nothing half written


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="file"):
        open_blobs(str(tmp_path / "file" / "store")).write("x", b"")


def test_a_url_that_no_store_speaks() -> None:
    with pytest.raises(SettingsError, match="no store can be opened"):
        open_blobs("nonsense://x")


def test_a_cloud_without_a_login_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    S3FileSystem.clear_instance_cache()  # another test's has a login and a server
    store = open_blobs("s3://plant-without-login/models")
    with pytest.raises(StoreUnavailable, match=r"plant-without-login.*: NoCredentialsError"):
        store.write("x", b"")
