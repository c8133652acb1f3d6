"""`stream-inspector servers` as people use it: started, used, stopped, started again."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from kafka import KafkaAdminClient

from workers.runtime.servers.process import listens

PATIENCE_S = 200
pytestmark = pytest.mark.integration


@contextmanager
def started(*flags: object) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "workers.cli", "servers", *map(str, flags)]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def settings_of(folder: Path) -> dict[str, str]:
    deadline = time.monotonic() + PATIENCE_S
    while not (folder / "settings.env").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    lines = (folder / "settings.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def used_once(folder: Path, broker: str) -> tuple[list[str], str | None]:
    """Topics and a value as they are found; leaves one of each; stops the servers."""
    (folder / "settings.env").unlink(missing_ok=True)
    flags = ("--folder", folder, "--kafka-port", 0, "--redis-port", 0, "--broker", broker)
    with started(*flags) as process:
        said = settings_of(folder)
        bootstrap = said["STREAM_INSPECTOR_KAFKA__BOOTSTRAP_SERVERS"]
        admin = KafkaAdminClient(bootstrap_servers=bootstrap)
        topics = admin.list_topics()
        if "frames" not in topics:
            admin.create_topics({"frames": {"num_partitions": 1, "replication_factor": 1}})
        admin.close()
        store = redis.Redis.from_url(said["STREAM_INSPECTOR_REDIS__URL"], decode_responses=True)
        found = store.get("mark")
        store.set("mark", "left")
        store.close()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, err
    assert bootstrap in out
    assert f"export STREAM_INSPECTOR_KAFKA__BOOTSTRAP_SERVERS={bootstrap}" in out
    assert not listens(int(bootstrap.rpartition(":")[2]))
    return topics, found if found is None else str(found)


def test_both_start_stop_and_keep_the_stores_state_in_their_folder(tmp_path: Path) -> None:
    assert used_once(tmp_path / "trial", "embedded") == ([], None)
    assert used_once(tmp_path / "trial", "embedded") == ([], "left")  # its broker is in memory


def test_apache_kafka_keeps_its_topics_there_too(tmp_path: Path) -> None:
    used_once(tmp_path / "trial", "kafka")
    topics, found = used_once(tmp_path / "trial", "kafka")
    assert "frames" in topics
    assert found == "left"


def test_a_port_that_is_taken_is_named_with_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with started("--kafka-port", 0, "--redis-port", port) as process:
            _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode != 0
    assert f"127.0.0.1:{port} is in use" in err
    assert "--redis-port" in err


def test_a_server_that_ends_by_itself_ends_the_command(tmp_path: Path) -> None:
    flags = ("--folder", tmp_path, "--kafka-port", 0, "--redis-port", 0)
    with started(*flags) as process:
        store = redis.Redis.from_url(settings_of(tmp_path)["STREAM_INSPECTOR_REDIS__URL"])
        store.shutdown(nosave=True)
        _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode != 0
    assert "the store ended by itself" in err
