"""The model store on S3, as moto plays it: exclusive creation, and what others write is seen."""

import threading
import uuid
from collections.abc import Iterator

import fsspec
import pytest
from moto.server import ThreadedMotoServer

from workers.runtime.errors import StoreUnavailable
from workers.runtime.registry.registry import Registry, Superseded
from workers.runtime.store.files import open_blobs
from workers.runtime.store.ports import BlobStore

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server() -> Iterator[None]:
    """One for all tests: s3fs keeps its connections, whatever the environment says later."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "test")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        yield
    server.stop()


@pytest.fixture
def url(server: None) -> str:
    bucket = f"plant-{uuid.uuid4()}"
    fsspec.filesystem("s3", use_listings_cache=False).mkdir(bucket)
    return f"s3://{bucket}/models"


def test_a_bucket_that_is_not_there_is_named_and_not_created(server: None) -> None:
    typo = f"plamt-{uuid.uuid4()}"
    store = open_blobs(f"s3://{typo}/models")
    for write in (store.write, store.create):
        with pytest.raises(StoreUnavailable, match=f"there is no {typo}.*nothing is created"):
            write("x/1", b"first")
    assert not fsspec.filesystem("s3", use_listings_cache=False).exists(typo)


def test_a_blob_is_created_once_and_seen_by_others(url: str) -> None:
    ours, theirs = open_blobs(url), open_blobs(url)
    assert ours.exclusive
    assert ours.names("x/") == []
    assert theirs.create("x/1", b"first")
    assert not ours.create("x/1", b"second")
    assert ours.read("x/1") == b"first"
    assert ours.names("x/") == ["x/1"]
    theirs.delete("x/1")
    assert ours.names("x/") == []
    ours.delete("x/1")


def test_only_one_of_many_creators_wins(url: str) -> None:
    store = open_blobs(url)
    store.write("ready", b"")
    barrier, wins = threading.Barrier(8), []

    def create(blobs: BlobStore, number: int) -> None:
        barrier.wait()
        if blobs.create("one", str(number).encode()):
            wins.append(number)

    threads = [threading.Thread(target=create, args=(store, n)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [str(number).encode() for number in wins] == [store.read("one")]


def test_activations_compare_and_set(url: str) -> None:
    anna, ben = Registry(open_blobs(url)), Registry(open_blobs(url))
    anna.push(["bolts"], "v1", b"{}", b"weights")
    assert anna.activate("bolts", "v1", by="anna", why="first", expect=0) == 1
    with pytest.raises(Superseded, match="anna made version v1 active"):
        ben.activate("bolts", "v1", by="ben", why="second", expect=0)
    assert [entry.by for entry in ben.history("bolts")] == ["anna"]
    assert ben.fetch("v1") == (b"{}", b"weights")
