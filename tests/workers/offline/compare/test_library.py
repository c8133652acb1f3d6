"""anomalib's models beside ours; only where the extra is installed."""

import pytest
import torch

from stream_inspector.baselines.training import Training, iterations
from workers.offline.compare import library
from workers.runtime.errors import SettingsError

anomalib = pytest.importorskip("anomalib", reason="an extra")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Padim", "Fastflow"])
def test_a_model_learns_from_our_images_and_maps_them(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anomalib.models import get_model

    def offline(chosen: str) -> object:  # without weights from the hub
        without = dict.fromkeys(("post_processor", "evaluator", "visualizer", "pre_trained"), False)
        return get_model(chosen, backbone="resnet18", **without)

    monkeypatch.setattr(library, "_model", offline)
    images = torch.randint(0, 256, (6, 3, 64, 64), dtype=torch.uint8)
    fitted = library.library_method(name).fit(images, Training(0, iterations(2)))
    with torch.inference_mode():
        maps, _ = fitted.score(images[:2])
    assert maps.shape[0] == 2
    assert torch.isfinite(maps).all()


def test_names_are_those_of_the_classes_or_in_snake_case() -> None:
    assert library.require(["EfficientAd", "efficient_ad"]) == ["EfficientAd", "efficient_ad"]
    with pytest.raises(SettingsError, match="anomalib has no 'Best'; it has "):
        library.require(["Best"])
