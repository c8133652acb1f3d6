"""Each channel: what arrives, how it fails, and that no secret leaks."""

import io
import logging
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr
from rich.console import Console
from webhook import Hook

from schemas.alarm import Alarm, Severity
from schemas.documents import samples
from workers.notifier.channels import (
    AppriseChannel,
    ConsoleChannel,
    DeliveryFailed,
    FileChannel,
    TopicChannel,
    scrub,
)
from workers.runtime.bus.memory import MemoryBroker
from workers.runtime.errors import SettingsError

ALARM = samples.ALARM


def test_a_webhook_gets_the_alarm_with_its_id(hook: Hook) -> None:
    AppriseChannel(SecretStr(hook.url)).send(ALARM)
    (message,) = hook.accepted
    assert message["title"] == "WARNING defect: line-1-cam-2"
    assert message["type"] == "warning"
    for part in (ALARM.message, "category fryum", "count 1", str(ALARM.evidence), ALARM.alarm_id):
        assert part in message["message"]


def test_a_critical_alarm_is_a_failure_for_the_service(hook: Hook) -> None:
    AppriseChannel(SecretStr(hook.url)).send(
        ALARM.model_copy(update={"severity": Severity.CRITICAL})
    )
    assert hook.accepted[0]["type"] == "failure"


def test_a_refusing_webhook_is_a_failure_with_its_reason_and_no_secret(
    hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    hook.status = 503
    channel = AppriseChannel(SecretStr(hook.url))
    with caplog.at_level(logging.DEBUG), pytest.raises(DeliveryFailed, match="503") as caught:
        channel.send(ALARM)
    for text in (str(caught.value), channel.name, caplog.text):
        assert "hunter22" not in text
        assert "hook-token" not in text


def test_an_unreachable_webhook_is_a_failure(hook: Hook) -> None:
    url = SecretStr(hook.url)
    hook.server_close()
    with pytest.raises(DeliveryFailed, match="not accepted"):
        AppriseChannel(url).send(ALARM)


@pytest.mark.parametrize("url", ["nosuch://token-4711/x", "token-4711", "json://"])
def test_a_url_that_apprise_does_not_know_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(SettingsError, match=r"notifier\.delivery\.apprise_urls") as caught:
        AppriseChannel(SecretStr(url))
    assert "4711" not in str(caught.value)


def test_channels_are_told_apart_by_their_name() -> None:
    names = [AppriseChannel(SecretStr(f"json://host{number}/")).name for number in (1, 2, 1)]
    assert names[0] == names[2] != names[1]
    assert names[0].startswith("json-")


def test_scrubbing_hides_every_part_of_a_url_but_its_scheme() -> None:
    said = "json to hooks.example failed: /abcd-token?key=s3cret1 by operator"
    url = "json://operator:pass@hooks.example/abcd-token?key=s3cret1"
    assert scrub(said, url) == ": json to *** failed: /***?key=*** by ***"


def test_the_file_gets_one_line_an_alarm(tmp_path: Path) -> None:
    path = tmp_path / "new" / "alarms.jsonl"
    for _ in range(2):
        FileChannel(path).send(ALARM)
    assert [Alarm.model_validate_json(line) for line in path.read_text().splitlines()] == [
        ALARM
    ] * 2


def test_a_line_torn_by_a_crash_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "alarms.jsonl"
    path.write_text('{"alarm_id": "5d4')
    FileChannel(path).send(ALARM)
    assert Alarm.model_validate_json(path.read_text().splitlines()[1]) == ALARM


def test_a_file_that_cannot_be_written_is_refused_at_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"notifier\.delivery\.file"):
        FileChannel(tmp_path / "file" / "alarms.jsonl")


def test_a_file_that_cannot_be_written_later_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "alarms.jsonl"
    channel = FileChannel(path)
    path.unlink()
    path.parent.rmdir()
    with pytest.raises(DeliveryFailed, match=r"alarms\.jsonl"):
        channel.send(ALARM)


def test_the_topic_gets_the_alarm_keyed_by_its_camera() -> None:
    broker = MemoryBroker()
    TopicChannel(broker.producer(), "alarms").send(ALARM)
    (record,) = broker.records("alarms")
    assert (Alarm.decode(record.headers, record.value), record.key) == (ALARM, b"line-1-cam-2")


def test_a_broker_that_is_away_is_a_failure() -> None:
    broker = MemoryBroker()
    broker.available = False
    with pytest.raises(DeliveryFailed, match="topic alarms"):
        TopicChannel(broker.producer(), "alarms").send(ALARM)


def test_the_console_shows_the_alarm_as_it_is() -> None:
    out = io.StringIO()
    alarm = ALARM.model_copy(update={"message": "cam [red]: odd\x1b text"})
    ConsoleChannel(Console(file=out)).send(alarm)
    assert "WARNING defect cam [red]: odd" in out.getvalue()
    assert ALARM.alarm_id[:8] in out.getvalue()


def test_without_apprise_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(SettingsError, match=r"stream-inspector\[notifier\]"):
        AppriseChannel(SecretStr("json://host/"))
