"""Loaded beside the old one, then swapped; a store that is away changes nothing."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from stream_inspector.errors import ModelCorrupt
from stream_inspector.view.canvas import View
from workers.inspector.detectors import check, null_model
from workers.inspector.models import ModelKeeper
from workers.inspector.work import LoadedModel
from workers.runtime.categories import Category, ViewSettings
from workers.runtime.registry import Registry
from workers.runtime.store.memory import MemoryBlobs, MemoryStore


class Models:
    def __init__(self) -> None:
        self.blobs, self.cache = MemoryBlobs(), MemoryStore()
        self.registry = Registry(self.blobs, self.cache)
        self.loads: list[str] = []
        self.keeper = ModelKeeper(self.registry, self.load, ["bolts", "nuts"])

    def load(self, manifest: bytes, tensors: bytes) -> LoadedModel:
        version = manifest.decode()
        self.loads.append(version)
        if version == "corrupt":
            raise ModelCorrupt("digest")
        return LoadedModel(
            version,
            dict.fromkeys(("bolts", "nuts"), "c"),
            dict.fromkeys(("bolts", "nuts"), View((2, 2))),
            lambda *_: [],
        )

    def activate(self, category: str, version: str) -> None:
        self.registry.push([category], version, version.encode(), b"x")
        self.registry.activate(category, version, by="test", why="test")
        self.keeper.refresh()

    def versions(self) -> dict[str, str]:
        return self.keeper.models.versions()


@pytest.fixture
def models() -> Models:
    return Models()


def test_what_is_missing_says_how_to_fix_it(models: Models) -> None:
    models.activate("bolts", "v1")
    assert models.versions() == {"bolts": "v1"}
    assert "model activate" in models.keeper.models.missing["nuts"]
    assert models.keeper.models.view("nuts") is None


def test_a_new_activation_replaces_the_old(models: Models) -> None:
    models.activate("bolts", "v1")
    models.activate("bolts", "v2")
    assert models.versions() == {"bolts": "v2"}
    models.keeper.refresh()
    assert models.loads == ["v1", "v2"]  # nothing is loaded twice


def test_a_version_for_two_categories_is_loaded_once(models: Models) -> None:
    models.activate("bolts", "unified")
    models.activate("nuts", "unified")
    assert models.loads == ["unified"]
    assert not models.keeper.models.missing


def test_a_version_that_cannot_be_loaded_leaves_the_old_one_in_use(models: Models) -> None:
    models.activate("bolts", "v1")
    models.activate("bolts", "corrupt")
    assert models.versions() == {"bolts": "v1"}
    assert "bolts" not in models.keeper.models.missing  # it can be inspected


def test_stores_that_are_away_leave_the_loaded_model_in_use(models: Models) -> None:
    models.activate("bolts", "v1")
    models.cache.available = models.blobs.available = False
    models.keeper.refresh()
    assert models.versions() == {"bolts": "v1"}


def test_a_model_that_cannot_inspect_a_grey_image_is_not_used() -> None:
    check(null_model(0.0, ["bolts"]))
    broken = null_model(0.0, ["bolts"], (8, 8))
    with pytest.raises(ValueError, match="self-check"):
        check(LoadedModel("v", {"bolts": "c"}, {"bolts": View((4, 4))}, broken.inspect))


def test_a_version_that_does_not_know_the_category_is_not_used_for_it(models: Models) -> None:
    models.keeper = ModelKeeper(models.registry, models.load, ["bolts", "washers"])
    models.activate("washers", "v1")
    assert models.versions() == {}
    assert "v1 is for bolts, nuts, not for washers" in models.keeper.models.missing["washers"]


@pytest.mark.parametrize(("keep_aspect", "warnings"), [(True, 1), (False, 0)])
def test_a_file_that_asks_for_another_view_is_said_once(
    models: Models, keep_aspect: bool, warnings: int
) -> None:
    asked = Category("bolts", ViewSettings(keep_aspect=keep_aspect))
    trained = Category("bolts", ViewSettings()).fingerprint

    def load(manifest: bytes, tensors: bytes) -> LoadedModel:
        return replace(models.load(manifest, tensors), trained_views={"bolts": trained})

    keeper = ModelKeeper(models.registry, load, ["bolts"], {"bolts": asked})
    models.activate("bolts", "v1")
    with capture_logs() as logs:
        keeper.refresh()
        keeper.refresh()
    assert sum("asks for another view" in each["event"] for each in logs) == warnings
    assert keeper.models.versions() == {"bolts": "v1"}  # inspected all the same
