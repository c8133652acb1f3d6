"""The embedded servers, and the adapters on them."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from schemas.envelope import WireMessage
from tests.integration.conftest import PATIENCE_S
from workers.runtime.bus.kafka.connect import (
    connect_consumer,
    connect_producer,
    create_topics,
)
from workers.runtime.bus.ports import Handover, Outgoing, Partition, RebalanceListener
from workers.runtime.errors import MembershipLost, MessageTooLarge, ServerUnreachable
from workers.runtime.servers.embedded import EmbeddedBroker, EmbeddedStore, ServerFailed, _Embedded
from workers.runtime.settings.process import KafkaSettings, RedisSettings
from workers.runtime.store.redis import connect_store

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaSettings]:
    with EmbeddedBroker() as broker:
        yield KafkaSettings(
            bootstrap_servers=broker.bootstrap_servers,
            session_timeout_ms=2000,
            heartbeat_interval_ms=300,
            max_frame_bytes=2**20,
        )


def message(value: bytes = b"v", key: bytes = b"k") -> Outgoing:
    return Outgoing("numbers", WireMessage(key, value, (("ce_id", b"1"),)))


def read(consumer: Any, count: int) -> list[Any]:
    found: list[Any] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(found) < count and time.monotonic() < deadline:
        found += consumer.poll(0.2)
    return found


def test_records_keep_key_value_headers_and_order(kafka: KafkaSettings) -> None:
    create_topics(kafka, {"numbers": 2})
    create_topics(kafka, {"numbers": 2})  # a second time is fine
    producer = connect_producer(kafka, "p")
    producer.publish(message(str(n).encode()) for n in range(100))
    consumer = connect_consumer(kafka, "order", ["numbers"], "c")
    found = read(consumer, 100)
    assert [record.value for record in found] == [str(n).encode() for n in range(100)]
    assert (found[0].key, found[0].headers) == (b"k", (("ce_id", b"1"),))
    assert sum(consumer.lag().values()) == 0
    assert consumer.stable()
    consumer.commit({found[-1].partition: 60})
    consumer.close()
    again = connect_consumer(kafka, "order", ["numbers"], "c")
    assert [record.offset for record in read(again, 40)] == list(range(60, 100))
    again.close()
    producer.close()


class Listener(RebalanceListener):
    """Hands over position 7 after being asked three times."""

    def __init__(self) -> None:
        self.revoked_: set[Partition] = set()
        self.asked = 0

    def assigned(self, partitions: frozenset[Partition]) -> None:
        raise RuntimeError("a listener that fails does not wedge the consumer")

    def revoked(self, partitions: frozenset[Partition]) -> None:
        self.revoked_ |= partitions

    def handover(self, partitions: frozenset[Partition]) -> Handover:
        self.asked += 1
        return Handover(self.asked >= 3, dict.fromkeys(partitions, 7))

    def lost(self, partitions: frozenset[Partition]) -> None:
        self.revoked_ |= partitions


def test_revoked_partitions_are_committed_in_passing(kafka: KafkaSettings) -> None:
    create_topics(kafka, {"moves": 2})
    producer = connect_producer(kafka, "p")
    wire = WireMessage(None, b"v", ())
    producer.publish(Outgoing("moves", wire, n % 2) for n in range(20))
    listener = Listener()
    first = connect_consumer(kafka, "moves", ["moves"], "first", listener)
    read(first, 20)
    second = connect_consumer(kafka, "moves", ["moves"], "second")
    stop = threading.Event()

    def keep_polling() -> None:
        while not stop.is_set():
            first.poll(0.1)

    thread = threading.Thread(target=keep_polling)
    thread.start()
    found = read(second, 3)
    stop.set()
    thread.join()
    assert listener.asked >= 3
    assert {record.partition for record in found} == listener.revoked_
    assert [record.offset for record in found] == [7, 8, 9]
    second.close()
    first.close()
    producer.close()


def test_one_who_is_no_member_may_not_commit(kafka: KafkaSettings) -> None:
    create_topics(kafka, {"numbers": 2})
    consumer = connect_consumer(kafka, "fenced", ["numbers"], "c")
    with pytest.raises(MembershipLost):
        consumer.commit({Partition("numbers", 0): 1})
    consumer.close()


def test_a_message_beyond_the_limit_is_told_and_the_next_one_passes(kafka: KafkaSettings) -> None:
    create_topics(kafka, {"numbers": 2})
    producer = connect_producer(kafka, "p")
    with pytest.raises(MessageTooLarge, match=r"kafka\.max_frame_bytes"):
        producer.publish([message(bytes(10 * 2**20))])
    producer.publish([message()])
    producer.close()


def test_an_absent_broker_is_named_with_its_setting() -> None:
    kafka = KafkaSettings(bootstrap_servers="127.0.0.1:9", connect_timeout_s=0.3)
    with pytest.raises(ServerUnreachable, match=r"127\.0\.0\.1:9 .*kafka\.bootstrap_servers"):
        connect_producer(kafka, "p")


def test_the_store_keeps_values_and_counts() -> None:
    with EmbeddedStore() as server:
        store = connect_store(RedisSettings(url=server.url))
        store.put("a", b"\x00\xff")
        assert store.get("a") == b"\x00\xff"
        store.delete("a")
        assert store.get("a") is None
        assert [store.increment("n", ttl_s=60), store.increment("n")] == [1, 2]


def test_an_absent_store_is_named_with_its_setting() -> None:
    settings = RedisSettings(url="redis://user:secret@127.0.0.1:9/0", connect_timeout_s=0.3)
    with pytest.raises(ServerUnreachable, match=r"redis\.url") as caught:
        connect_store(settings)
    assert "127.0.0.1:9" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_server_stops_when_its_block_fails() -> None:
    with pytest.raises(RuntimeError, match="inside"), EmbeddedStore() as server:
        guard = server._process
        assert guard is not None
        family = [guard.pid, *(child.pid for child in psutil.Process(guard.pid).children())]
        raise RuntimeError("inside")
    assert len(family) == 2
    assert not any(psutil.pid_exists(pid) for pid in family)


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["owner", "guard"])
def test_a_server_does_not_outlive_a_killed_owner_or_guard(victim: str) -> None:
    code = (
        "import time\n"
        "from workers.runtime.servers.embedded import EmbeddedStore\n"
        "with EmbeddedStore():\n"
        "    print('up', flush=True)\n"
        "    time.sleep(60)\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert owner.stdout is not None
    assert owner.stdout.readline() == b"up\n"
    guard = psutil.Process(owner.pid).children()[0]
    server = guard.children()[0]
    os.kill(owner.pid if victim == "owner" else guard.pid, signal.SIGKILL)
    assert psutil.wait_procs([server], timeout=5)[1] == []
    owner.kill()
    owner.wait()


class Broken(_Embedded):
    name = "broken server"

    def _command(self, port: int, folder: Any) -> list[str]:
        return [sys.executable, "-c", "raise SystemExit('no licence')"]

    def _answers(self) -> bool:
        return False


def test_a_server_that_does_not_start_shows_its_log() -> None:
    with pytest.raises(ServerFailed, match="no licence"), Broken():
        pass


def test_a_partition_that_was_paused_alone_is_read_on(kafka: KafkaSettings) -> None:
    create_topics(kafka, {"parked": 2})
    producer = connect_producer(kafka, "p")
    wire = WireMessage(None, b"v", ())
    producer.publish(Outgoing("parked", wire, n % 2) for n in range(40))
    consumer = connect_consumer(kafka, "parked", ["parked"], "c", max_records=4)
    first = read(consumer, 4)[0].partition
    consumer.pause([first])
    assert len({record.offset for record in read(consumer, 20)}) == 20  # all of the other one
    consumer.resume([first])
    assert len(read(consumer, 16)) == 16
    consumer.close()
    producer.close()
