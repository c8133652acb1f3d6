"""Settings come from flags, environment, file and defaults, and wrong ones are refused by name."""

from pathlib import Path

import pytest

from workers.runtime.errors import SettingsError
from workers.runtime.settings.process import (
    ProcessSettings,
    flatten,
    nest,
    parse_assignments,
    redact,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "worker.yaml"
    path.write_text("kafka:\n  bootstrap_servers: file:9092\n  session_timeout_ms: 7000\n")
    return path


def test_flags_win_over_environment_over_file_over_default(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAM_INSPECTOR_KAFKA__SESSION_TIMEOUT_MS", "8000")
    monkeypatch.setenv("STREAM_INSPECTOR_KAFKA__REQUEST_TIMEOUT_MS", "5000")
    settings = ProcessSettings.load(file, {"kafka.request_timeout_ms": 6000})
    kafka = settings.kafka
    assert kafka.bootstrap_servers == "file:9092"
    assert (kafka.session_timeout_ms, kafka.request_timeout_ms) == (8000, 6000)
    assert kafka.heartbeat_interval_ms == 2000


def test_a_file_leaves_no_trace_in_the_next_load(file: Path) -> None:
    ProcessSettings.load(file)
    assert ProcessSettings.load().kafka.bootstrap_servers == "127.0.0.1:9092"


def test_an_unknown_key_is_refused_with_what_is_allowed(file: Path) -> None:
    file.write_text("kafka: {bootstrap_serverz: a}\n")
    with pytest.raises(SettingsError) as refused:
        ProcessSettings.load(file)
    message = str(refused.value)
    assert "worker.yaml: kafka.bootstrap_serverz" in message
    assert "Did you mean bootstrap_servers?" in message
    assert "max_frame_bytes" in message


@pytest.mark.parametrize(
    ("text", "path", "allowed"),
    [
        ("log: {level: loud}", "log.level", "'warning'"),
        ("kafka: {session_timeout_ms: -4}", "kafka.session_timeout_ms", "1000"),
        ("health: {port: many}", "health.port", "integer"),
        ("kafka: 7", "kafka", "valid dictionary"),
    ],
)
def test_a_wrong_value_is_refused_with_its_path(
    file: Path, text: str, path: str, allowed: str
) -> None:
    file.write_text(text)
    with pytest.raises(SettingsError, match=rf"{path}: .*{allowed}"):
        ProcessSettings.load(file)


def test_every_fault_is_told_at_once(file: Path) -> None:
    file.write_text("log: {level: loud}\nfoo: 1\n")
    with pytest.raises(SettingsError) as refused:
        ProcessSettings.load(file, {"health.port": 99999})
    assert len(str(refused.value).splitlines()) == 3


def test_the_origin_of_a_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAM_INSPECTOR_HEALTH__PORT", "no")
    with pytest.raises(SettingsError, match="environment STREAM_INSPECTOR_HEALTH__PORT"):
        ProcessSettings.load()
    monkeypatch.delenv("STREAM_INSPECTOR_HEALTH__PORT")
    with pytest.raises(SettingsError, match=r"flags: health\.port"):
        ProcessSettings.load(None, {"health.port": "no"})


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [", "\x00"])
def test_a_file_that_is_no_mapping_is_named(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(SettingsError, match=r"worker\.yaml"):
        ProcessSettings.load(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.yaml: cannot be read"):
        ProcessSettings.load(tmp_path / "nowhere.yaml")


def test_an_empty_file_means_the_defaults(file: Path) -> None:
    file.write_text("# nothing yet\n")
    assert ProcessSettings.load(file).model_dump() == ProcessSettings.load().model_dump()


def test_assignments_are_read_like_yaml() -> None:
    given = parse_assignments(["a.b=3", "c=[x, y]", "d=text with = sign", "e=null"])
    assert given == {"a.b": "3", "c": ["x", "y"], "d": "text with = sign", "e": None}


@pytest.mark.parametrize("assignment", ["novalue", "=3", "a=[1"])
def test_a_broken_assignment_is_refused(assignment: str) -> None:
    with pytest.raises(SettingsError, match="--set"):
        parse_assignments([assignment])


def test_nesting_refuses_a_value_that_is_also_a_section() -> None:
    assert nest({"a.b": 1, "a.c": 2}) == {"a": {"b": 1, "c": 2}}
    with pytest.raises(SettingsError, match="given twice"):
        nest({"a": 1, "a.b": 2})


def test_passwords_in_urls_are_not_shown() -> None:
    settings = ProcessSettings.load(None, {"redis.url": "redis://user:secret@host:1/0"})
    shown = dict(flatten(settings))
    assert shown["redis.url"] == "redis://***@host:1/0"
    assert redact(["json://u:p@h/x", "plain"]) == ["json://***", "plain"]


def test_a_password_is_not_shown_in_an_error() -> None:
    with pytest.raises(SettingsError) as refused:
        ProcessSettings.load(None, {"kafka.max_frame_bytes": "redis://u:secret@h"})
    assert "secret" not in str(refused.value)
