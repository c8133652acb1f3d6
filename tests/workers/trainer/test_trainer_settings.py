from pathlib import Path

import pytest

import configs
from workers.runtime.errors import SettingsError
from workers.trainer.presets import find_preset
from workers.trainer.settings import TrainerProcessSettings

FILE = Path(configs.__file__).parent / "trainer.yaml"


def test_the_shipped_file_holds_the_defaults() -> None:
    loaded, plain = TrainerProcessSettings.load(FILE), TrainerProcessSettings.load()

    assert loaded.model_dump() == plain.model_dump()


@pytest.mark.parametrize("path", ["budget.image_false_reject", "budget.confidence"])
def test_a_share_lies_between_nothing_and_everything(path: str) -> None:
    with pytest.raises(SettingsError, match=path):
        TrainerProcessSettings.load(None, {path: 1.0})


def test_an_unknown_preset_lists_those_that_exist() -> None:
    with pytest.raises(SettingsError, match=r"'tiny'; allowed: .*feature-fast"):
        find_preset("tiny")
