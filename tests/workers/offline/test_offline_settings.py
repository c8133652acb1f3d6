from pathlib import Path

import pytest

import configs
from stream_inspector.threshold.budget import Budget
from workers.offline.presets import find_preset
from workers.offline.settings import BudgetSettings, TrainerProcessSettings
from workers.runtime.categories import BudgetOverride, Category
from workers.runtime.errors import SettingsError

FILE = Path(configs.__file__).parent / "trainer.yaml"


def test_the_shipped_file_holds_the_defaults() -> None:
    loaded, plain = TrainerProcessSettings.load(FILE), TrainerProcessSettings.load()

    assert loaded.model_dump() == plain.model_dump()


@pytest.mark.parametrize("path", ["budget.image_false_reject", "budget.confidence"])
def test_a_share_lies_between_nothing_and_everything(path: str) -> None:
    with pytest.raises(SettingsError, match=path):
        TrainerProcessSettings.load(None, {path: 1.0})


def test_none_leaves_a_share_out_but_not_both() -> None:
    pixels = TrainerProcessSettings.load(None, {"budget.image_false_reject": "none"}).budget
    assert pixels.as_budget() == Budget(image_false_reject=None)
    both = dict.fromkeys(("budget.image_false_reject", "budget.pixel_false_positive"), "none")
    with pytest.raises(SettingsError, match="or both"):
        TrainerProcessSettings.load(None, both)


def test_a_category_overrides_the_budget_and_the_command_line_overrides_it() -> None:
    override = BudgetOverride(image_false_reject=0.01, strict=True)
    bolts = Category("bolts", budget=override)

    own = BudgetSettings(confidence=0.9).of_category(bolts)
    flagged = BudgetSettings(image_false_reject=0.2).of_category(
        bolts, {"budget.image_false_reject"}
    )

    assert (own.image_false_reject, own.confidence, own.strict) == (0.01, 0.9, True)
    assert (flagged.image_false_reject, flagged.strict) == (0.2, True)
    assert BudgetSettings().of_category(Category("nuts")) == BudgetSettings()


def test_an_override_that_leaves_nothing_names_the_category() -> None:
    nothing = Category("bolts", budget=BudgetOverride(image_false_reject="none"))
    with pytest.raises(SettingsError, match=r"category bolts: budget: .*or both"):
        BudgetSettings(pixel_false_positive="none").of_category(nothing)


def test_an_unknown_preset_lists_those_that_exist() -> None:
    with pytest.raises(SettingsError, match=r"'tiny'; allowed: .*feature-fast"):
        find_preset("tiny")
