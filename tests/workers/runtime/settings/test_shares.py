"""5% is understood wherever a share is asked."""

from typing import Any

import pytest

from workers.camera.settings import CameraProcessSettings
from workers.collector.settings import CollectorProcessSettings
from workers.inspector.settings import InspectorSettings
from workers.offline.settings import TrainerProcessSettings
from workers.runtime.categories import CategorySettings
from workers.runtime.errors import SettingsError
from workers.runtime.settings.process import ProcessSettings

SHARES: list[tuple[type[ProcessSettings], str]] = [
    (TrainerProcessSettings, "budget.image_false_reject"),
    (TrainerProcessSettings, "budget.pixel_false_positive"),
    (TrainerProcessSettings, "budget.confidence"),
    (CollectorProcessSettings, "collect.share"),
    (CameraProcessSettings, "camera.synthetic.defect_share"),
    (InspectorSettings, "breaker.share"),
    (InspectorSettings, "tracing.sample_share"),
]


def value(settings: Any, path: str) -> Any:
    for part in path.split("."):
        settings = getattr(settings, part)
    return settings


@pytest.mark.parametrize(("process", "path"), SHARES)
@pytest.mark.parametrize("text", ["5%", " 5 % ", "0.05", "5e-2"])
def test_a_share_is_a_number_or_a_percentage(
    process: type[ProcessSettings], path: str, text: str
) -> None:
    more = {"categories.names": ["bolts"]} if process is InspectorSettings else {}
    try:
        settings = process.load(None, {path: text} | more)
    except SettingsError as error:
        assert "unknown key" in str(error)
        raise
    assert value(settings, path) == 0.05


@pytest.mark.parametrize(("process", "path"), SHARES)
@pytest.mark.parametrize("text", ["5", "a few", "5 percent", "500%"])
def test_what_is_no_share_says_how_to_write_one(
    process: type[ProcessSettings], path: str, text: str
) -> None:
    with pytest.raises(SettingsError, match=r"0\.05 or 5%") as refused:
        process.load(None, {path: text})
    assert str(refused.value).startswith(f"flags: {path}: a share is")
    assert ("5%?" in str(refused.value)) == (text == "5")


def test_a_category_states_its_budget_in_percent() -> None:
    read = CategorySettings.model_validate(
        {"budget": {"image_false_reject": "2%", "pixel_false_positive": "none"}}
    )
    assert (read.budget.image_false_reject, read.budget.pixel_false_positive) == (0.02, "none")
