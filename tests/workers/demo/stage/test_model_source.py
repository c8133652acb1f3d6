from pathlib import Path

import pytest
from rich.console import Console

from stream_inspector.errors import DataError
from stream_inspector.model.version import Model
from stream_inspector.presets import PRESETS
from workers.demo.settings import DemoSettings
from workers.demo.stage.model_source import cache_key, obtain, shipped_model
from workers.offline.images.datasets import good_files
from workers.offline.model_folder import write_model
from workers.offline.run import Interrupted
from workers.runtime.lifecycle import StopSignal

QUIET = Console(quiet=True)


def get(settings: DemoSettings, cache: Path, category: str = "flanges"):  # noqa: ANN201
    return obtain(settings, category, cache, QUIET, StopSignal())


def test_a_given_model_is_used(tiny_model: Model, tmp_path: Path) -> None:
    write_model(tiny_model, tmp_path / "mine")

    found = get(DemoSettings(model=tmp_path / "mine"), tmp_path)

    assert (found.model.version, found.train_seconds) == (tiny_model.version, None)


def test_a_model_of_another_category_is_refused(tiny_model: Model, tmp_path: Path) -> None:
    write_model(tiny_model, tmp_path / "mine")

    with pytest.raises(DataError, match="is for flanges, the frames are of nuts"):
        get(DemoSettings(model=tmp_path / "mine"), tmp_path, "nuts")


def test_a_second_run_on_the_same_images_does_not_train(
    tiny_model: Model, flanges: Path, tmp_path: Path
) -> None:
    digest = good_files(flanges).digest
    key = cache_key(digest, "flanges", PRESETS["feature-fast"], 0)
    write_model(tiny_model, tmp_path / f"flanges-{key}")

    found = get(DemoSettings(data=flanges), tmp_path)

    assert (found.model.version, found.origin) == (tiny_model.version, "trained by an earlier run")


def test_other_images_seeds_and_presets_are_other_trainings() -> None:
    fast, small = PRESETS["feature-fast"], PRESETS["pixel-small"]

    keys = {
        cache_key("a", "nut", fast, 0),
        cache_key("b", "nut", fast, 0),
        cache_key("a", "bolt", fast, 0),
        cache_key("a", "nut", small, 0),
        cache_key("a", "nut", fast, 1),
    }

    assert len(keys) == 5


@pytest.mark.slow
def test_an_interrupted_training_writes_nothing(flanges: Path, tmp_path: Path) -> None:
    stop = StopSignal()
    stop.set()

    with pytest.raises(Interrupted):
        obtain(DemoSettings(data=flanges), "flanges", tmp_path, QUIET, stop)

    assert not list(tmp_path.iterdir())


def test_no_model_is_shipped_for_an_unknown_product() -> None:
    assert shipped_model("no-such-product") is None
