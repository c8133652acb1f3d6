"""Categories come from files and from a list; what is wrong names its file."""

from pathlib import Path

import pytest

from workers.inspector.settings import InspectorSettings, known_categories
from workers.runtime.categories import CategoriesSection
from workers.runtime.errors import SettingsError


def test_a_file_is_a_category(tmp_path: Path) -> None:
    (tmp_path / "bolts.yaml").write_text("description: M8")
    (tmp_path / "x.yaml").write_text("name: nuts")
    section = CategoriesSection(folder=tmp_path, names=("screws",))
    assert set(known_categories(section)) == {"bolts", "nuts", "screws"}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "bolts.yaml",
            "descripton: M8",
            "bolts.yaml: descripton: unknown key. Did you mean",
        ),
        ("bolts.yaml", "name: ../etc", "bolts.yaml: name: .*use letters"),
        ("bolts.txt", "", "no category is configured"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, name: str, content: str, words: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(SettingsError, match=words):
        known_categories(CategoriesSection(folder=tmp_path))


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is not a folder"):
        known_categories(CategoriesSection(folder=tmp_path / "none"))


def test_heartbeats_must_fit_into_the_session() -> None:
    with pytest.raises(SettingsError, match="third of the session"):
        InspectorSettings.load(None, {"kafka.heartbeat_interval_ms": 9000})


def test_what_hangs_is_told_from_a_rebalance() -> None:
    long = {"kafka.session_timeout_ms": 60_000}
    with pytest.raises(SettingsError, match=r"kafka.*hung_after_s \(45\) must be above"):
        InspectorSettings.load(None, long)
    assert InspectorSettings.load(None, long | {"kafka.hung_after_s": 90}).kafka.hung_after_s == 90


def test_the_shipped_file_is_valid() -> None:
    settings = InspectorSettings.load(Path("configs/worker.yaml"))
    assert settings.worker.group == "inspectors"
