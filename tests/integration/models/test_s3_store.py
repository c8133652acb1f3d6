"""The model store on S3, as moto plays it: exclusive creation, and what others write is seen."""

import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.request import urlopen

import fsspec
import pytest
from moto.server import ThreadedMotoServer

from workers.evidence.gc import collect
from workers.runtime.errors import StoreUnavailable
from workers.runtime.evidence.cases import Case, note, picture_name
from workers.runtime.evidence.expiry import read_notice
from workers.runtime.evidence.links import links_of
from workers.runtime.evidence.settings import EvidenceSection, KeepSection
from workers.runtime.registry.registry import Registry, Superseded
from workers.runtime.store.files import open_blobs
from workers.runtime.store.ports import BlobStore

pytestmark = pytest.mark.integration
NOW = datetime.now(UTC)


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


def test_expired_evidence_says_so_where_its_signed_url_opens(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs, data = open_blobs(url), b"the picture"
    name = picture_name(data, "png")
    case = Case(
        outcome_id="1" * 32,
        frame_id="f",
        camera_id="c",
        category="bolts",
        grade="defect",
        captured_at=NOW,
        decided_at=NOW,
        model_version="v",
        pictures={"frame": name},
    )
    note(blobs, case)
    stored = blobs.write(name, data)
    links = links_of(EvidenceSection(url=url, signed_hours=1))
    link = links.opening(stored) or ""
    with urlopen(link, timeout=10) as answer:  # noqa: S310
        assert (answer.read(), answer.headers["Content-Type"]) == (data, "image/png")
    monkeypatch.setattr("workers.evidence.gc.store_time", lambda _: time.time() + 60)
    assert collect(blobs, KeepSection()).removed == 0
    monkeypatch.setattr("workers.evidence.gc.store_time", lambda _: time.time() + 91 * 86_400)
    assert [collect(blobs, KeepSection()).removed for _ in range(2)] == [1, 0]
    with urlopen(link, timeout=10) as answer:  # noqa: S310
        found = read_notice(answer.read())
    assert found
    assert found["rule"] == "defect of bolts: 90 days"
    monkeypatch.setattr("workers.evidence.gc.store_time", lambda _: time.time() + 900 * 86_400)
    collect(blobs, KeepSection())
    assert blobs.names("") == []
