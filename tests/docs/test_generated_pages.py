"""The generated pages are what the classes say now, and hold all of them."""

from pathlib import Path

import pytest

from schemas.documents import reference
from schemas.documents.asyncapi import MESSAGES
from schemas.topics import TOPICS
from workers.config import reference as config_reference
from workers.config.command import SETTINGS, settings_class
from workers.config.reference import Setting, settings_of
from workers.inspector.settings import InspectorSettings
from workers.runtime.settings.process import flatten


@pytest.mark.slow
def test_the_configuration_is_current() -> None:
    assert config_reference.FILE.read_text() == config_reference.document(), "run `make docs`"


def test_the_messages_are_current() -> None:
    assert reference.FILE.read_text() == reference.document(), "run `make docs`"


@pytest.mark.parametrize("process", list(SETTINGS))
def test_every_setting_has_its_row(process: str) -> None:
    cls = settings_class(process)  # type: ignore[arg-type]
    rows = {row.path for row in settings_of(cls)}
    assert rows == {path for path, _ in flatten(cls())}
    page = config_reference.FILE.read_text()
    assert [path for path in rows if f"| `{path}` |" not in page] == []


@pytest.mark.parametrize("process", list(SETTINGS))
def test_every_setting_is_explained(process: str) -> None:
    rows = settings_of(settings_class(process))  # type: ignore[arg-type]
    assert [row.path for row in rows if not row.text] == []


def test_a_row_says_what_may_be_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows = {row.path: row for row in settings_of(InspectorSettings)}
    assert rows["worker.batch_max"] == Setting(
        "worker.batch_max", "integer, >= 1", "`8`", "frames per batch", secret=False
    )
    assert rows["kafka.security.tls.ca_file"].type == "path; may be empty"
    assert rows["worker.delivery"].type == "`auto`, `exactly-once`, `at-least-once`"
    assert {path for path, row in rows.items() if row.secret} == {
        "kafka.security.password",
        "kafka.security.tls.key_password",
        "redis.password",
        "redis.tls.key_password",
    }
    monkeypatch.setenv(rows["worker.batch_max"].variable, "3")
    assert InspectorSettings.load().worker.batch_max == 3


def test_every_topic_and_message_is_told() -> None:
    page = reference.FILE.read_text()
    assert [topic.name for topic in TOPICS if f"| `{topic.name}` |" not in page] == []
    assert [m.message_name for m in MESSAGES if f"\n## {m.message_name}\n" not in page] == []
    for model in MESSAGES:
        section = page.partition(f"\n## {model.message_name}\n")[2].partition("\n## ")[0]
        assert [name for name in model.model_fields if f"| `{name}` |" not in section] == []
