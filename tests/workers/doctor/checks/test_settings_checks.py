"""Files that cannot be read, secrets in the wrong place, folders that cannot be written."""

from pathlib import Path

import pytest

from workers.doctor.checks.settings import check_files, check_folder, check_masks, check_secrets
from workers.inspector.settings import InspectorSettings
from workers.notifier.settings import NotifierProcessSettings
from workers.runtime.categories import Category


def settings(password_file: Path) -> InspectorSettings:
    return InspectorSettings(redis={"password_file": password_file})


def test_a_secret_file_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret")
    (finding,) = check_files(settings(tmp_path / "secret"))
    assert (finding.status, finding.says) == ("ok", "1 files readable")


@pytest.mark.parametrize("content", [None, " \n"])
def test_a_secret_file_that_is_missing_or_empty(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "secret").write_text(content)
    (finding,) = check_files(settings(tmp_path / "secret"))
    assert (finding.status, finding.setting) == ("failed", "redis.password_file")


def test_a_secret_in_the_settings_file_is_told_and_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "worker.yaml"
    file.write_text("redis: {password: s3cret}")
    (finding,) = check_secrets(InspectorSettings.load(file), file)
    assert (finding.status, finding.setting) == ("warning", "redis.password")
    assert "s3cret" not in str(finding)


def test_secret_urls_in_the_settings_file_are_told(tmp_path: Path) -> None:
    file = tmp_path / "notifier.yaml"
    file.write_text("notifier: {delivery: {apprise_urls: ['json://u:s3cret@h/']}}")
    (finding,) = check_secrets(NotifierProcessSettings.load(file), file)
    assert finding.setting == "notifier.delivery.apprise_urls"


def test_a_secret_from_the_environment_is_fine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAM_INSPECTOR_REDIS__PASSWORD", "s3cret")
    file = tmp_path / "worker.yaml"
    file.write_text("redis: {url: 'redis://h/0'}")
    assert check_secrets(InspectorSettings.load(file), file)[0].status == "ok"


def test_a_folder_is_made_where_it_can(tmp_path: Path) -> None:
    assert check_folder(tmp_path / "a" / "b", "notifier.folder")[0].status == "ok"
    (tmp_path / "file").write_text("")
    (finding,) = check_folder(tmp_path / "file" / "b", "notifier.folder")
    assert (finding.status, finding.setting) == ("failed", "notifier.folder")


def test_a_mask_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "there.png").write_bytes(b"x")
    found = {
        "a": Category("a", mask=tmp_path / "there.png"),
        "b": Category("b", mask=tmp_path / "gone.png"),
    }
    (finding,) = check_masks(found)
    assert finding.status == "failed"
    assert finding.says.startswith("b: ")
    assert check_masks({"a": found["a"]})[0].status == "ok"
