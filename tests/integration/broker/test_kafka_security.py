"""TLS, mutual TLS, passwords and access control on Apache Kafka, and what a refusal says."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kafka.admin import (
    ACLOperation,
    ResourceType,
)
from typer.testing import CliRunner

from schemas.documents.samples import DEAD_LETTER
from schemas.envelope import WireMessage
from tests.integration.broker.secure_kafka import (
    WORKER,
    Secure,
    make_certificates,
    secure_kafka,
)
from workers.cli import app
from workers.runtime.bus.kafka.connect import (
    connect_consumer,
    connect_producer,
    create_topics,
)
from workers.runtime.bus.kafka.delivery import connect_delivery
from workers.runtime.bus.ports import Outgoing, Partition
from workers.runtime.errors import AccessDenied, SettingsError

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    certificates = make_certificates(tmp_path_factory.mktemp("certificates"))
    with secure_kafka(certificates) as broker:
        secure = Secure(broker, certificates)
        create_topics(secure.admin, {"frames": 1, "outcomes": 1, "closed": 1})
        secure.grant(ResourceType.TOPIC, "frames", ACLOperation.READ)
        secure.grant(ResourceType.TOPIC, "outcomes", ACLOperation.WRITE)
        secure.grant(ResourceType.GROUP, "inspectors", ACLOperation.READ)
        secure.grant(ResourceType.TRANSACTIONAL_ID, "worker-1", ACLOperation.WRITE)
        yield secure


def message(topic: str) -> list[Outgoing]:
    return [Outgoing(topic, WireMessage(b"k", b"v", ()))]


@pytest.mark.parametrize(
    ("protocol", "user", "security"),
    [
        ("SASL_SSL", WORKER, {}),
        ("SASL_SSL", WORKER, {"mechanism": "PLAIN"}),
        ("SASL_PLAINTEXT", WORKER, {}),
        ("SASL_PLAINTEXT", WORKER, {"mechanism": "PLAIN"}),
        ("SSL", None, {"listener": "MTLS", "tls": "client"}),
    ],
)
def test_every_kind_of_identity_may_write(
    secure: Secure, protocol: str, user: Any, security: dict[str, Any]
) -> None:
    if security.get("tls"):
        security = security | {"tls": secure.client_certificate}
    producer = connect_producer(secure.settings(protocol, user, **security), "p")
    producer.publish(message("outcomes"))
    producer.close()


def test_a_password_may_stand_in_a_file(secure: Secure, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(WORKER[1] + "\n")
    given = {"username": WORKER[0], "password_file": tmp_path / "secret"}
    connect_producer(secure.settings("SASL_SSL", None, **given), "p").close()


def test_these_rights_are_enough_for_exactly_once(secure: Secure) -> None:
    kafka = secure.worker
    producer = connect_producer(secure.admin, "camera")
    producer.publish(message("frames"))
    producer.close()
    create_topics(kafka, {"frames": 1, "outcomes": 1})  # they are there: no right is needed
    consumer = connect_consumer(kafka, "inspectors", ["frames"], "c")
    while not consumer.poll(0.2):
        pass
    delivery = connect_delivery(
        kafka, "inspectors", "d", consumer, lambda positions: None, transactional_id="worker-1"
    )
    assert "exactly once" in delivery.guarantee
    delivery.settle(message("outcomes"), {Partition("frames", 0): 1}, delivery.generation())
    with pytest.raises(AccessDenied, match=r"does not allow Write on topic closed: grant it.*acls"):
        delivery.settle(message("closed"), {Partition("frames", 0): 2}, delivery.generation())
    delivery.settle(message("outcomes"), {Partition("frames", 0): 2}, delivery.generation())
    delivery.close()
    consumer.close()


@pytest.mark.parametrize(
    ("protocol", "user", "security", "words"),
    [
        ("SASL_SSL", ("worker", "wrong-one"), {}, ["refuses the login", "username worker"]),
        (
            "SASL_PLAINTEXT",
            ("worker", "wrong-one"),
            {"mechanism": "PLAIN"},
            ["refuses the login", "mechanism PLAIN"],
        ),
        ("SASL_PLAINTEXT", WORKER, {"mechanism": "SCRAM-SHA-256"}, ["mechanism SCRAM-SHA-256"]),
        ("SSL", None, {"tls": {"ca_file": None}}, ["not trusted", "kafka.security.tls.ca_file"]),
        ("SSL", None, {"listener": "MTLS"}, ["refuses our certificate", "tls.certificate_file"]),
        ("PLAINTEXT", None, {"listener": "SSL"}, ["expects TLS", "kafka.security.protocol"]),
        ("SSL", None, {"listener": "SASL_PLAINTEXT"}, ["no TLS with this listener"]),
        ("PLAINTEXT", None, {"listener": "SASL_PLAINTEXT"}, ["expects a login"]),
    ],
)
def test_a_refusal_says_why(
    secure: Secure, protocol: str, user: Any, security: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(AccessDenied) as caught:
        connect_producer(secure.settings(protocol, user, **security), "p")
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert "wrong-one" not in str(caught.value)


def test_a_certificate_for_another_name_is_refused(secure: Secure) -> None:
    kafka = secure.settings("SSL")
    elsewhere = kafka.bootstrap_servers.replace("127.0.0.1", "localhost")
    with pytest.raises(AccessDenied, match=r"not valid for 'localhost'"):
        connect_producer(kafka.model_copy(update={"bootstrap_servers": elsewhere}), "p")


def test_files_that_are_no_certificates_are_named(secure: Secure, tmp_path: Path) -> None:
    (tmp_path / "junk.pem").write_text("junk")
    for tls, words in [
        ({"ca_file": tmp_path / "junk.pem"}, r"kafka\.security\.tls\.ca_file: .*junk\.pem"),
        ({"ca_file": tmp_path / "none.pem"}, r"none\.pem: No such file"),
        (secure.client_certificate | {"key_file": tmp_path / "junk.pem"}, "certificate_file"),
    ]:
        with pytest.raises(SettingsError, match=words):
            connect_producer(secure.settings("SSL", tls=tls), "p")


def test_what_is_not_allowed_is_named(secure: Secure) -> None:
    kafka = secure.worker
    producer = connect_producer(kafka, "p")
    with pytest.raises(AccessDenied, match="Write on topic closed"):
        producer.publish(message("closed"))
    producer.publish(message("outcomes"))  # it goes on
    producer.close()
    with pytest.raises(AccessDenied, match=r"Create on topic new"):
        create_topics(kafka, {"new": 1})
    for group, topic, words in [
        ("inspectors", "closed", "Read on topic closed"),
        ("others", "frames", "Read on consumer group others"),
    ]:
        consumer = connect_consumer(kafka, group, [topic], "c")
        with pytest.raises(AccessDenied, match=words):
            for _ in range(20):
                consumer.poll(0.2)
        consumer.close()
    with pytest.raises(AccessDenied, match="Write on transactional id worker-2"):
        connect_delivery(
            kafka, "inspectors", "d", consumer, lambda p: None, transactional_id="worker-2"
        )


def test_doctor_finds_the_missing_rights_and_how_to_grant_them(secure: Secure) -> None:
    settings = secure.flags | {
        "kafka.transaction_timeout_ms": 30_000,
        "topics.partitions": 1,
        "topics.defects": "outcomes",
        "topics.dead_letters": "closed",
        "categories.names": "[bolts]",
        "models.null_detector_ms": 0,
        "models.require_redis": "false",
        "redis.url": "redis://127.0.0.1:9/0",
        "redis.connect_timeout_s": 0.2,
        "worker.transactional_id": "worker-2",
    }

    def ask(**changed: object) -> dict[str, Any]:
        given = settings | {name.replace("__", "."): value for name, value in changed.items()}
        sets = [part for key, value in given.items() for part in ("--set", f"{key}={value}")]
        done = CliRunner().invoke(app, ["doctor", "worker", "--quick", "--json", *sets])
        assert WORKER[1] not in done.stdout
        return {line["check"]: line for line in json.loads(done.stdout) if line["area"] == "broker"}

    found = ask()
    failed = {name: line["do"] for name, line in found.items() if line["status"] == "failed"}
    assert set(failed) == {"topic closed", "transactional id"}
    assert "--operation Write --topic closed" in failed["topic closed"]
    assert "Write on transactional id worker-2" in found["transactional id"]["says"]
    assert found["timeouts"]["status"] == "skipped"
    assert "not told" in found["topic frames"]["says"]

    found = ask(
        worker__transactional_id="worker-1", worker__group="others", topics__frames="closed"
    )
    assert found["transactional id"]["status"] == "ok"
    assert "grant" in found["topic closed"]["do"]
    assert found["group others"]["status"] in ("failed", "skipped")

    found = ask(worker__group="others", worker__transactional_id="worker-1")
    assert "Read on consumer group others" in found["group others"]["says"]

    found = ask(kafka__security__password="not-this-one")
    assert "refuses the login" in found["reachable"]["says"]
    assert {line["status"] for line in found.values()} == {"failed", "skipped"}


def test_the_documented_rights_are_enough_for_a_replay(secure: Secure) -> None:
    reads, writes = ["r-letters", "r-resolutions"], ["r-frames", "r-resolutions"]
    create_topics(secure.admin, dict.fromkeys({*reads, *writes}, 4))
    for name in reads:
        secure.grant(ResourceType.TOPIC, name, ACLOperation.READ)
    for name in writes:
        secure.grant(ResourceType.TOPIC, name, ACLOperation.WRITE)
    with closing(connect_producer(secure.admin, "inspector")) as producer:
        record = DEAD_LETTER.record.model_copy(update={"topic": "r-frames"})
        letter = DEAD_LETTER.model_copy(update={"record": record})
        producer.publish([Outgoing("r-letters", letter.encode())])
    topics = {"frames": "r-frames", "dead_letters": "r-letters", "resolutions": "r-resolutions"}
    settings = secure.flags | {f"topics.{key}": name for key, name in topics.items()}
    sets = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    replay = ["dlq", "replay", "--all", "--why", "test", *sets]
    refused = CliRunner().invoke(app, replay)
    assert refused.exit_code == 77
    assert "Write on transactional id stream-inspector-dlq" in refused.output.replace("\n", " ")
    secure.grant(ResourceType.TRANSACTIONAL_ID, "stream-inspector-dlq", ACLOperation.WRITE)
    done = CliRunner().invoke(app, replay)
    assert done.exit_code == 0, done.output
    assert "1 dead letters replayed" in done.output
