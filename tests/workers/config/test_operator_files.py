"""Commands of operators take every process's own file, and refuse what no process knows."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from workers.cli import app
from workers.config.command import SETTINGS, Process, settings_class
from workers.inspector.settings import ModelsSection
from workers.line.announce import LineSettings
from workers.offline.settings import OF_A_WORKER, ModelStoreSettings
from workers.runtime.errors import SettingsError
from workers.runtime.settings.operator import SECTIONS, OperatorSettings

OPERATORS = [
    *(settings_class(each) for each in SETTINGS if each is not Process.DEMO),
    LineSettings,
]
OPERATORS = [each for each in OPERATORS if issubclass(each, OperatorSettings)]


def whole_file(process: Process, folder: Path) -> Path:
    """Every setting of a process, with a login."""
    shown = CliRunner().invoke(app, ["config", "show", process]).output
    settings = yaml.safe_load(shown)
    settings["kafka"]["bootstrap_servers"] = "kafka.plant:9093"
    settings["redis"]["url"] = "redis://redis.plant:6379/0"
    file = folder / f"{process}.yaml"
    file.write_text(yaml.safe_dump(settings))
    return file


@pytest.mark.parametrize("process", list(SETTINGS))
@pytest.mark.parametrize("operator", OPERATORS)
def test_every_process_has_a_file_that_operators_can_use(
    process: Process, operator: type[OperatorSettings], tmp_path: Path
) -> None:
    settings = operator.load(whole_file(process, tmp_path))
    assert settings.kafka.bootstrap_servers == "kafka.plant:9093"
    assert settings.redis.url == "redis://redis.plant:6379/0"


def test_model_finds_the_store_of_the_workers_file(tmp_path: Path) -> None:
    file = tmp_path / "worker.yaml"
    file.write_text(f"models: {{store: {tmp_path}/none, device: cuda}}\nworker: {{threads: 7}}\n")
    result = CliRunner().invoke(app, ["model", "list", "--config", str(file)])
    assert result.exit_code == 0, result.output
    assert "no models in" in result.output


def test_the_environment_of_a_workers_pod_disturbs_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STREAM_INSPECTOR_MODELS__DEVICE", "cuda")
    monkeypatch.setenv("STREAM_INSPECTOR_WORKER__THREADS", "7")
    monkeypatch.setenv("STREAM_INSPECTOR_MODELS__STORE", "s3://plant/models")
    assert settings_class(Process.TRAINER).load().models.store == "s3://plant/models"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "content", ["wroker: {threads: 2}", "kafka: {bootstrap: x}", "models: {stor: x}"]
)
def test_what_no_process_knows_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "worker.yaml").write_text(content)
    with pytest.raises(SettingsError, match="unknown key"):
        settings_class(Process.TRAINER).load(tmp_path / "worker.yaml")


def test_the_names_are_those_of_all_processes() -> None:
    found = {name for each in SETTINGS for name in settings_class(each).model_fields}
    assert found == SECTIONS
    assert ModelsSection.model_fields.keys() - ModelStoreSettings.model_fields == OF_A_WORKER
