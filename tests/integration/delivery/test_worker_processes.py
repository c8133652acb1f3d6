"""Real worker processes on the embedded servers."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from integration.conftest import PATIENCE_S, png

from schemas.outcome import RejectReason

pytestmark = pytest.mark.integration

NULL = {"models.null_detector_ms": 40}  # slow enough that frames are in work when a worker dies


def test_a_worker_killed_in_mid_stream_loses_nothing(stage: Any) -> None:
    first, _ = stage.worker(**NULL), stage.worker(**NULL)

    def both_work() -> bool:
        if not stage.lost():  # the first may be done before the second has joined
            stage.send(50)
        return stage.by("worker-0") > 0 and stage.by("worker-1") > 0

    stage.until(both_work)
    before = len(stage.outcomes)
    stage.send(300)
    stage.until(lambda: len(stage.outcomes) > before + 50)
    first.send_signal(signal.SIGKILL)
    stage.send(100)
    stage.until(lambda: not stage.lost())
    assert stage.duplicated() == []


def test_sigterm_drains_commits_and_leaves_nothing_to_repeat(stage: Any) -> None:
    first = stage.worker(**NULL)
    stage.send(150)
    stage.until(lambda: stage.by("worker-0") > 20)
    first.send_signal(signal.SIGTERM)
    assert first.wait(PATIENCE_S) == 0
    stage.worker(**NULL)
    stage.until(lambda: not stage.lost())
    assert len(stage.outcomes) == 150  # none of them twice


def test_a_rolling_restart_hands_over_while_the_successor_joins(stage: Any) -> None:
    old = stage.worker(**NULL)
    stage.send(60)
    stage.until(lambda: stage.by("worker-0") > 20)
    new = stage.worker(**NULL)
    stage.until(lambda: "delivery" in stage.log_of(new))  # it connects and joins now
    time.sleep(0.3)
    old.send_signal(signal.SIGTERM)
    stage.send(60)
    stage.until(lambda: not stage.lost())
    assert old.wait(PATIENCE_S) == 0
    assert stage.duplicated() == []


def test_bad_frames_are_rejected_and_the_stream_goes_on(stage: Any) -> None:
    stage.worker(**NULL)
    stage.send(20)
    stage.send(5, data=b"no image at all")
    stage.send(20)
    stage.until(lambda: not stage.lost())
    rejected = [o for o in stage.outcomes if o.rejected]
    assert [o.rejected.value for o in rejected] == ["undecodable"] * 5


DEADLY = (str(Path(__file__).with_name("deadly_worker.py")),)


def test_a_frame_that_kills_its_worker_is_found_and_the_others_are_inspected(stage: Any) -> None:
    stage.send(6, cameras=1)
    stage.send(1, cameras=1, data=png(255))
    stage.send(6, cameras=1)
    for _ in range(2):  # in company, in its group; then processes of its own die
        worker = stage.worker(DEADLY, **NULL)
        stage.until(lambda: worker.poll() is not None)  # noqa: B023
        assert worker.wait() == -signal.SIGABRT
    stage.worker(DEADLY, **NULL)
    stage.until(lambda: not stage.lost())
    rejected = {o.outcome_id: o.rejected for o in stage.outcomes if o.rejected}
    assert list(rejected.values()) == [RejectReason.CRASHED_WORKER]
    assert stage.sent[next(iter(rejected))].data == png(255)


def test_sigterm_ends_a_worker_that_still_searches_its_broker(tmp_path: Path) -> None:
    flags = ["kafka.bootstrap_servers=127.0.0.1:9", "models.null_detector_ms=0"]
    command = [sys.executable, "-m", "workers.cli", "worker", "--category", "bolts"]
    command += [part for flag in flags for part in ("--set", flag)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log)
    while b"broker away" not in (tmp_path / "log").read_bytes():
        assert process.poll() is None, (tmp_path / "log").read_text()
        time.sleep(0.05)
    process.terminate()
    assert process.wait(30) == 0


@pytest.mark.parametrize(
    ("settings", "code", "words"),
    [
        (["kafka.bootstrap_servers=127.0.0.1:9"], 69, ["127.0.0.1:9", "kafka.bootstrap_servers"]),
        (["redis.url=redis://127.0.0.1:9/0"], 69, ["127.0.0.1:9", "redis.url"]),
        (["worker.batch_maxx=3"], 78, ["worker.batch_maxx", "Did you mean batch_max?"]),
        (["categories.names=[]"], 78, ["categories.folder"]),
    ],
)
def test_a_start_that_cannot_work_says_why(
    settings: list[str], code: int, words: list[str]
) -> None:
    null = [] if "redis" in settings[0] else ["models.null_detector_ms=0"]
    limits = ["kafka.connect_timeout_s=0.5", "redis.connect_timeout_s=0.5"]
    given = ["categories.names=[bolts]", *limits, *null, *settings]
    flags = [part for each in given for part in ("--set", each)]
    command = [sys.executable, "-m", "workers.cli", "worker", *flags]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == code, ended.stderr
    assert all(word in ended.stderr for word in words), ended.stderr
