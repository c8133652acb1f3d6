"""`stream-inspector doctor` on real servers: sound ones pass, each broken one is found."""

import contextlib
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from typer.testing import CliRunner

from schemas.envelope import WireMessage
from workers.cli import app
from workers.console.history.database import open_database
from workers.console.history.tables import positions
from workers.offline.model_folder import read_files
from workers.runtime.bus.kafka.connect import connect_admin, connect_consumer, create_topics
from workers.runtime.bus.kafka.delivery import connect_writer
from workers.runtime.bus.ports import Outgoing, Partition
from workers.runtime.registry.registry import Registry
from workers.runtime.servers.embedded import EmbeddedBroker, EmbeddedStore
from workers.runtime.settings.process import KafkaSettings
from workers.runtime.store.files import FolderBlobs

pytestmark = pytest.mark.integration

CATEGORY = "flange"
SHIPPED = Path(__file__).parents[3] / "configs" / "models" / CATEGORY


@dataclass(frozen=True)
class Answer:
    exit_code: int
    lines: dict[str, list[dict[str, Any]]]
    text: str

    def status(self, check: str) -> list[str]:
        return [line["status"] for line in self.lines[check]]

    def says(self, check: str) -> str:
        return " ".join(
            f"{line['says']} {line['do']} {line['setting']}" for line in self.lines[check]
        )

    @property
    def failed(self) -> list[str]:
        return [name for name in self.lines if "failed" in self.status(name)]


def ask(process: str, *flags: str, **settings: object) -> Answer:
    """Run the command in this process; `a__b=1` stands for --set a.b=1."""
    given = {name.replace("__", "."): value for name, value in settings.items()}
    sets = [part for path, value in given.items() for part in ("--set", f"{path}={value}")]
    done = CliRunner().invoke(app, ["doctor", process, "--json", *flags, *sets])
    lines: dict[str, list[dict[str, Any]]] = {}
    for line in json.loads(done.stdout):
        lines.setdefault(f"{line['area']}: {line['check']}", []).append(line)
    return Answer(done.exit_code, lines, done.stdout)


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[EmbeddedBroker, EmbeddedStore]]:
    with EmbeddedBroker() as broker, EmbeddedStore() as store:
        kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
        names = ("frames", "outcomes", "defects", "explanations", "dead-letters", "alarms")
        create_topics(kafka, dict.fromkeys(names, 4))
        yield broker, store


@pytest.fixture
def sound(servers: tuple[EmbeddedBroker, EmbeddedStore], tmp_path: Path) -> dict[str, object]:
    """Settings of a worker that has all that it needs."""
    files, registry = read_files(SHIPPED), Registry(FolderBlobs(tmp_path / "models"))
    version = json.loads(files.manifest)["version"]
    registry.push([CATEGORY], version, files.manifest, files.tensors)
    registry.activate(CATEGORY, version, "test", "test")
    return {
        "kafka__bootstrap_servers": servers[0].bootstrap_servers,
        "redis__url": servers[1].url,
        "models__store": tmp_path / "models",
        "models__threads": 1,
        "categories__names": f"[{CATEGORY}]",
    }


def test_nothing_fails_where_all_is_there(sound: dict[str, object]) -> None:
    answer = ask("worker", "--camera", "a", "--camera", "b", **sound)
    assert answer.failed == [], answer.text
    assert answer.exit_code == 0
    assert answer.status("broker: transactions") == ["warning"]  # the embedded one has none
    assert "exactly-once" in answer.says("broker: transactions")
    assert answer.status("broker: topic frames") == ["ok"]
    assert answer.status("Redis: rights") == ["ok"]
    assert answer.status(f"models: {CATEGORY}") == ["ok"]
    loaded = answer.status(f"models: {CATEGORY} on cpu")
    assert loaded in (["ok"], ["warning"])  # the shipped one may have no self-test
    assert ask("worker", "--quick", "--strict", **sound).exit_code == 1  # the warning


def test_a_camera_and_a_notifier_have_checks_of_their_own(
    sound: dict[str, object], tmp_path: Path
) -> None:
    broker = {"kafka__bootstrap_servers": sound["kafka__bootstrap_servers"]}
    camera = ask("camera", **broker, camera__count=4)
    assert camera.failed == []
    assert "partitions get no frames" in camera.says("broker: spread of cameras")
    assert not [name for name in camera.lines if name.startswith(("Redis", "models", "device"))]
    notifier = ask("notifier", **broker, notifier__folder=tmp_path)
    assert notifier.failed == []
    assert notifier.status("broker: topic alarms") == ["ok"]


def test_an_explainer_needs_frames_pictures_and_a_device(
    sound: dict[str, object], tmp_path: Path
) -> None:
    own = {name: value for name, value in sound.items() if not name.startswith("categories")}
    answer = ask("explainer", **own, evidence__url=tmp_path / "evidence")
    assert answer.failed == [], answer.text
    for topic in ("defects", "frames", "explanations"):
        assert answer.status(f"broker: topic {topic}") == ["ok"]
    assert answer.status("stores: evidence") == ["ok"]
    broken = ask("explainer", **own, evidence__url="/dev/null/e", models__device="cuda:9")
    assert {"stores: evidence", "device: present"} <= set(broken.failed)
    assert "evidence.url" in broken.says("stores: evidence")
    assert ask("explainer", **own).status("stores: evidence") == ["warning"]


BROKEN: dict[str, tuple[dict[str, object], str, str]] = {
    "a wrong key": ({"worker__batch_maxx": 3}, "settings: read", "Did you mean batch_max"),
    "a secret that is missing": (
        {"redis__password_file": "/nowhere/secret"},
        "settings: files",
        "redis.password_file",
    ),
    "no broker": (
        {"kafka__bootstrap_servers": "127.0.0.1:9", "kafka__connect_timeout_s": 0.3},
        "broker: reachable",
        "kafka.bootstrap_servers",
    ),
    "no transactions": ({"worker__delivery": "exactly-once"}, "broker: transactions", "delivery"),
    "a topic of another name": (
        {"topics__frames": "framez", "topics__create": "false"},
        "broker: topic framez",
        "topics.frames",
    ),
    "frames too large for the topic": (
        {"kafka__max_frame_bytes": 40_000_000},
        "broker: topic frames",
        "kafka.max_frame_bytes",
    ),
    "no Redis": (
        {"redis__url": "redis://127.0.0.1:9/0", "redis__connect_timeout_s": 0.3},
        "Redis: reachable",
        "redis.url",
    ),
    "a store that cannot be opened": (
        {"models__store": "nosuch://bucket/models"},
        "stores: models",
        "models.store",
    ),
    "no such device": ({"models__device": "cuda:9"}, "device: present", "models.device"),
    "no model": ({"categories__names": "[bolts]"}, "models: bolts", "model push"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_fault_is_found_and_the_rest_is_looked_at(fault: str, sound: dict[str, object]) -> None:
    wrong, check, words = BROKEN[fault]
    answer = ask("worker", "--quick", **(sound | wrong))
    assert answer.exit_code == 1
    assert check in answer.failed
    assert words in answer.says(check)
    if check != "settings: read":
        assert "ok" in answer.status("device: engine")
        assert [line for line in answer.lines if line.startswith("clocks")]


OTHERS: dict[str, tuple[str, dict[str, object], str, str]] = {
    "a channel that Apprise does not know": (
        "notifier",
        {"notifier__delivery__apprise_urls": "nosuch://me:s3cret@host"},
        "settings: channels",
        "notifier.delivery.apprise_urls",
    ),
    "no folder for alarms": (
        "notifier",
        {"notifier__folder": "/dev/null/alarms"},
        "settings: folder",
        "notifier.folder",
    ),
    "no pictures": ("camera", {"camera__source": "/nowhere"}, "settings: source", "camera.source"),
    "a partition too many": (
        "camera",
        {"camera__partitions": "{cam-1: 4}"},
        "broker: spread of cameras",
        "camera.partitions",
    ),
    "frames too large": (
        "camera",
        {"kafka__max_frame_bytes": 40_000_000, "camera__spool__max_bytes": 50_000_000},
        "broker: topic frames",
        "kafka.max_frame_bytes",
    ),
}


@pytest.mark.parametrize("fault", OTHERS)
def test_a_fault_of_camera_or_notifier_is_found(
    fault: str, servers: tuple[EmbeddedBroker, EmbeddedStore], tmp_path: Path
) -> None:
    process, wrong, check, words = OTHERS[fault]
    given = {"kafka__bootstrap_servers": servers[0].bootstrap_servers}
    if process == "notifier":
        given["notifier__folder"] = str(tmp_path)
    answer = ask(process, **(given | wrong))
    assert answer.failed == [check]
    assert words in answer.says(check)
    assert "s3cret" not in answer.text


def test_redis_may_be_left_out(sound: dict[str, object]) -> None:
    away = {"redis__url": "redis://127.0.0.1:9/0", "redis__connect_timeout_s": 0.3}
    answer = ask("worker", "--quick", **(sound | away), models__require_redis="false")
    assert answer.status("Redis: reachable") == ["skipped"]
    assert answer.exit_code == 0


def test_a_user_of_redis_without_rights(
    servers: tuple[EmbeddedBroker, EmbeddedStore], sound: dict[str, object]
) -> None:
    client = redis.Redis.from_url(servers[1].url)
    rights = ["on", ">s3cret", "~stream-inspector:*", "&*", "+@all"]
    client.execute_command("ACL", "SETUSER", "narrow", *rights)
    wrong = {"redis__username": "narrow", "redis__password": "s3cret"}
    answer = ask("worker", "--quick", **(sound | wrong))
    assert answer.failed == ["Redis: rights"]
    assert "in-work:*" in answer.says("Redis: rights")
    assert "s3cret" not in answer.text


def test_the_documented_rights_in_redis_are_enough(
    servers: tuple[EmbeddedBroker, EmbeddedStore], sound: dict[str, object]
) -> None:
    client = redis.Redis.from_url(servers[1].url)
    names = "ping set get getrange del incrby expire multi exec publish subscribe info time"
    places = [
        f"{sign}{name}:*" for name in ("stream-inspector", "in-work", "attempts") for sign in "~&"
    ]
    rights = ["on", ">s3cret", *places, "-@all", *(f"+{name}" for name in names.split())]
    client.execute_command("ACL", "SETUSER", "exact", *rights)
    given = {"redis__username": "exact", "redis__password": "s3cret"}
    answer = ask("worker", "--quick", **(sound | given))
    assert answer.failed == [], answer.text
    assert answer.status("clocks: Redis") == ["ok"]


def test_no_secret_is_shown(sound: dict[str, object]) -> None:
    wrong = {
        "redis__url": "redis://me:s3cret@127.0.0.1:9/0",
        "redis__connect_timeout_s": 0.3,
        "models__store": "nosuch://me:s3cret@bucket/x",
    }
    answer = ask("worker", "--quick", **(sound | wrong))
    assert "Redis: reachable" in answer.failed
    assert "stores: models" in answer.failed
    assert "s3cret" not in answer.text


def kafka_flags(kafka: KafkaSettings, prefix: str) -> dict[str, object]:
    names = ("frames", "outcomes", "defects", "dead-letters")
    return {
        "kafka__bootstrap_servers": kafka.bootstrap_servers,
        "kafka__transaction_timeout_ms": 30_000,
        "worker__group": f"{prefix}group",
        "models__null_detector_ms": 0,  # needs no Redis
        "redis__url": "redis://127.0.0.1:9/0",
        "redis__connect_timeout_s": 0.3,
        "categories__names": "[bolts]",
    } | {f"topics__{name.replace('-', '_')}": f"{prefix}{name}" for name in names}


def test_apache_kafka_tells_more(apache_kafka: KafkaSettings, prefix: str) -> None:
    flags = kafka_flags(apache_kafka, prefix)
    topics = {str(value): 4 for name, value in flags.items() if name.startswith("topics__")}
    create_topics(apache_kafka, topics)
    change(apache_kafka, f"{prefix}outcomes", "retention.ms", "-1")
    answer = ask("worker", "--quick", **flags)
    assert answer.failed == [], answer.text
    for check in ("transactions", "timeouts", f"topic {prefix}outcomes", "transactional id"):
        assert answer.status(f"broker: {check}") == ["ok"], answer.text
    assert "nothing committed on 4 of 4" in answer.says(f"broker: group {prefix}group")
    assert "not told" not in answer.says(f"broker: topic {prefix}frames")

    change(apache_kafka, f"{prefix}frames", "cleanup.policy", "compact")
    change(apache_kafka, f"{prefix}outcomes", "retention.ms", "3600000")
    change(apache_kafka, f"{prefix}dead-letters", "max.message.bytes", "1000000")
    wrong = {"kafka__transaction_timeout_ms": 900_000, "kafka__session_timeout_ms": 1_800_001}
    wrong |= {"kafka__hung_after_s": 2000}
    wrong |= {"worker__transactional_id": f"{prefix}stable"}
    answer = ask("worker", "--quick", **(flags | wrong))
    assert set(answer.failed) == {
        "broker: timeouts",
        f"broker: topic {prefix}frames",
        f"broker: topic {prefix}dead-letters",
    }
    assert answer.status(f"broker: topic {prefix}outcomes") == ["warning"]
    assert "not used yet" in answer.says("broker: transactional id")


def change(kafka: KafkaSettings, topic: str, key: str, value: str) -> None:
    with contextlib.closing(connect_admin(kafka)) as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {key: value})])


def test_positions_that_retention_has_overtaken(apache_kafka: KafkaSettings, prefix: str) -> None:
    flags = kafka_flags(apache_kafka, prefix)
    frames = f"{prefix}frames"
    create_topics(apache_kafka, {frames: 1})
    write(apache_kafka, frames, 10)
    with contextlib.closing(
        connect_consumer(apache_kafka, f"{prefix}group", [frames], "c")
    ) as reader:
        while not reader.assignment():
            reader.poll(0.2)
        reader.commit({Partition(frames, 0): 2})
    with contextlib.closing(connect_admin(apache_kafka)) as admin:
        admin.delete_records({TopicPartition(frames, 0): 7})
    answer = ask("worker", "--quick", **flags)
    assert "5 records after its position are gone" in answer.says(f"broker: group {prefix}group")
    assert "frames came on all 1 partitions" in answer.says("broker: spread of cameras")
    assert "the newest frame is " in answer.says("clocks: cameras")
    assert answer.status("clocks: cameras") == ["ok"]


def write(kafka: KafkaSettings, topic: str, count: int) -> None:
    with contextlib.closing(connect_writer(kafka, "w", f"{topic}-writer")) as writer:
        writer.settle([Outgoing(topic, WireMessage(b"k", b"v", ()), 0)] * count, {}, None)


def test_a_console_is_looked_at_without_making_its_history(
    servers: tuple[EmbeddedBroker, EmbeddedStore], tmp_path: Path
) -> None:
    kafka, file = servers[0].bootstrap_servers, tmp_path / "history.sqlite3"
    names = ("resolutions", "camera-states", "reviews")
    create_topics(KafkaSettings(bootstrap_servers=kafka), dict.fromkeys(names, 1))
    given = {
        "kafka__bootstrap_servers": kafka,
        "console__database": f"sqlite:///{file}",
        "console__access__read_without_login": True,
        "evidence__url": tmp_path,
    }
    first = ask("console", **given)
    assert (first.exit_code, first.failed) == (0, [])
    assert "not read yet" in first.says("history: outcomes")
    assert "nobody may judge" in first.says("settings: access")
    assert not file.exists()
    with closing(open_database(f"sqlite:///{file}")) as database, database.write() as connection:
        ahead = {"topic": "outcomes", "partition": 0, "next": 10**9}
        connection.execute(positions.insert().values(ahead))
    ahead_of = ask("console", **given)
    assert ahead_of.failed == ["history: outcomes"]
    away = ask("console", **given | {"console__database": "postgresql://me@127.0.0.1:1/x"})
    assert away.failed == ["history: database"]
    assert away.status("history: outcomes") == ["skipped"]
