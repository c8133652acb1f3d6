"""Where a broker is, and where it says that it is: IPv6, and addresses that nobody answers."""

import contextlib
import json
import time
from collections.abc import Iterator

import pytest
from fetch_proxy import FetchProxy
from typer.testing import CliRunner

from schemas.envelope import WireMessage
from workers.cli import app
from workers.runtime.bus.kafka.advertised import reach_advertised
from workers.runtime.bus.kafka.connect import connect_consumer, connect_producer, create_topics
from workers.runtime.bus.kafka.delivery import has_transactions
from workers.runtime.bus.kafka.reading.reader import KafkaReader
from workers.runtime.bus.ports import Outgoing
from workers.runtime.errors import AdvertisedUnreachable
from workers.runtime.servers.process import free_ports
from workers.runtime.settings.process import KafkaSettings

pytestmark = pytest.mark.integration


def at(kafka: KafkaSettings, address: str, patience_s: float = 30.0) -> KafkaSettings:
    return kafka.model_copy(update={"bootstrap_servers": address, "connect_timeout_s": patience_s})


def test_a_broker_on_ipv6(apache_kafka: KafkaSettings, prefix: str) -> None:
    topic = f"{prefix}six"
    with FetchProxy(apache_kafka.bootstrap_servers, host="::1") as proxy:
        assert proxy.address.startswith("[::1]:")
        kafka = at(apache_kafka, proxy.address)
        create_topics(kafka, {topic: 1})
        with contextlib.closing(connect_producer(kafka, "p")) as producer:
            producer.publish([Outgoing(topic, WireMessage(b"k", b"v", ()))])
        with contextlib.closing(connect_consumer(kafka, f"{prefix}g", [topic], "c")) as consumer:
            deadline, records = time.monotonic() + 30, []
            while not records and time.monotonic() < deadline:
                records = consumer.poll(0.2)
        assert has_transactions(kafka)
    assert [record.value for record in records] == [b"v"]


@pytest.fixture(params=["refused", "unknown name"])
def misled(apache_kafka: KafkaSettings, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a broker that sends its clients elsewhere."""
    (port,) = free_ports(1)
    host = "127.0.0.1" if request.param == "refused" else "kafka.invalid"
    servers = apache_kafka.bootstrap_servers
    with FetchProxy(servers, advertised=(host, port)) as proxy:
        yield proxy.address


@pytest.mark.parametrize("what", ["admin", "producer", "consumer", "reader", "delivery"])
def test_an_advertised_address_is_tried_for_as_long_as_any_and_named(
    apache_kafka: KafkaSettings, misled: str, what: str
) -> None:
    kafka = at(apache_kafka, misled, patience_s=3.0)
    connect = {
        "admin": lambda: create_topics(kafka, {"t": 1}),
        "producer": lambda: connect_producer(kafka, "p"),
        "consumer": lambda: connect_consumer(kafka, "g", ["t"], "c"),
        "reader": lambda: KafkaReader(kafka, "t", "r"),
        "delivery": lambda: has_transactions(kafka),
    }
    began = time.monotonic()
    with pytest.raises(AdvertisedUnreachable, match=r"advertised\.listeners") as raised:
        connect[what]()
    assert time.monotonic() - began > 1.0
    said = str(raised.value)
    assert misled in said  # what was asked
    assert "127.0.0.1:" in said.replace(misled, "") or "kafka.invalid:" in said  # what was told
    assert raised.value.exit_code == 69


def test_one_advertised_broker_of_several_is_enough(apache_kafka: KafkaSettings) -> None:
    with contextlib.closing(connect_producer(apache_kafka, "p")) as producer:
        client = producer._client
        cluster = client._metadata
        (real,) = cluster.brokers()
        (dead,) = free_ports(1)
        kind = type(real)
        cluster._brokers = {99: kind(99, "127.0.0.1", dead, None), real.node_id: real}
        reach_advertised(client, 4000)


def test_doctor_does_not_blame_the_address_that_answered(
    apache_kafka: KafkaSettings, misled: str
) -> None:
    flags = ["--set", f"kafka.bootstrap_servers={misled}", "--set", "kafka.connect_timeout_s=2"]
    done = CliRunner().invoke(app, ["doctor", "camera", "--json", *flags])
    [line] = [each for each in json.loads(done.stdout) if each["check"] == "reachable"]
    assert line["status"] == "failed"
    assert "advertised.listeners" in line["do"]
    assert line["setting"] != "kafka.bootstrap_servers"
    assert "change kafka.bootstrap_servers" not in line["do"]
