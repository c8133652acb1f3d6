"""`config show` prints settings that can be used as a file; `config check` refuses wrong ones."""

from pathlib import Path

import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner, Result

from workers.cli import app
from workers.config.command import SETTINGS, Process, settings_class
from workers.config.reference import settings_of

RUNNER = CliRunner()
CONFIGS = Path(__file__).parents[3] / "configs"


@pytest.mark.parametrize("process", list(SETTINGS))
def test_what_is_shown_loads_again(process: Process, tmp_path: Path) -> None:
    shown = RUNNER.invoke(app, ["config", "show", process])
    assert shown.exit_code == 0, shown.output
    file = tmp_path / "shown.yaml"
    file.write_text(shown.output)
    read, plain = settings_class(process).load(file), settings_class(process).load()
    assert read.model_dump() == plain.model_dump()


@pytest.mark.parametrize("process", list(SETTINGS))
def test_the_shipped_file_is_right(process: Process) -> None:
    checked = RUNNER.invoke(
        app, ["config", "check", process, "--config", str(CONFIGS / f"{process}.yaml")]
    )
    assert checked.exit_code == 0, checked.output
    assert "ok" in checked.output


def test_a_wrong_setting_has_its_exit_code_and_its_path() -> None:
    checked = RUNNER.invoke(app, ["config", "check", "worker", "--set", "worker.batch_maxx=3"])
    assert checked.exit_code == 78
    assert "worker.batch_maxx: unknown key. Did you mean batch_max?" in checked.output


def test_passwords_are_masked() -> None:
    given = ["config", "show", "worker", "--set", "redis.url=redis://me:secret@host/0"]
    shown = RUNNER.invoke(app, given)
    assert "secret" not in shown.output
    assert yaml.safe_load(shown.output)["redis"]["url"] == "redis://***@host/0"


def test_a_category_is_shown_with_its_defaults_and_checked() -> None:
    given = ["--config", str(CONFIGS / "categories/flange.yaml")]
    shown = RUNNER.invoke(app, ["config", "show", "category", *given])
    assert yaml.safe_load(shown.output)["name"] == "flange"
    assert RUNNER.invoke(app, ["config", "check", "category", *given]).exit_code == 0
    assert RUNNER.invoke(app, ["config", "check", "category"]).exit_code == 78


def test_the_check_of_a_worker_reads_its_categories_too(tmp_path: Path) -> None:
    (tmp_path / "bolts.yaml").write_text("view: {tilse: {rows: 2}}")
    checked = RUNNER.invoke(
        app, ["config", "check", "worker", "--set", f"categories.folder={tmp_path}"]
    )
    assert checked.exit_code == 78
    assert "view.tilse: unknown key. Did you mean tiles?" in checked.output.replace("\n", " ")


def test_the_check_of_a_category_reads_its_mask(tmp_path: Path) -> None:
    file = tmp_path / "bolts.yaml"
    file.write_text("view: {ignore: {mask: fixture.png}}")

    def checked() -> Result:
        return RUNNER.invoke(app, ["config", "check", "category", "--config", str(file)])

    assert checked().exit_code == 78
    assert "bolts: view.ignore.mask:" in checked().output
    (tmp_path / "fixture.png").write_bytes(b"no picture")
    assert checked().exit_code == 78
    Image.new("L", (8, 8)).save(tmp_path / "fixture.png")
    assert checked().exit_code == 0, checked().output


def test_the_check_of_a_trainer_needs_masks_and_that_of_a_worker_does_not(tmp_path: Path) -> None:
    (tmp_path / "bolts.yaml").write_text("view: {ignore: {mask: fixture.png}}")
    given = ["--set", f"categories.folder={tmp_path}"]
    assert RUNNER.invoke(app, ["config", "check", "trainer", *given]).exit_code == 78
    assert RUNNER.invoke(app, ["config", "check", "worker", *given]).exit_code == 0


@pytest.mark.parametrize("process", list(SETTINGS))
def test_a_mapping_holds_what_is_given_and_nothing_more(process: Process) -> None:
    """Defaults of a mapping would be merged into it: three shifts would be four."""
    mappings = [
        setting
        for setting in settings_of(settings_class(process))
        if setting.type.startswith(("object", "mapping"))
    ]
    assert {setting.path: setting.default for setting in mappings} == {
        setting.path: "`{}`" for setting in mappings
    }
