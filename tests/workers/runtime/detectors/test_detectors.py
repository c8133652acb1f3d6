"""A version is checked on the device before it is used."""

from dataclasses import replace

import numpy as np
import pytest
from structlog.testing import capture_logs

from stream_inspector.errors import ModelCorrupt, SelfTestFailed
from stream_inspector.image.view.canvas import View
from stream_inspector.model.self_test import SelfTest
from stream_inspector.model.version import Model, save_model
from workers.demo.stage.model_source import shipped_model
from workers.runtime.detectors.loaded import LoadedModel
from workers.runtime.detectors.loading import ModelLoader, check, null_model
from workers.runtime.detectors.settings import ModelsSection

pytestmark = pytest.mark.slow

_GREY = np.full((256, 256, 3), 128, np.uint8)


@pytest.fixture(scope="module")
def shipped() -> Model:
    model = shipped_model("flange")
    assert model is not None
    return replace(model, self_tests={})


def load(model: Model) -> LoadedModel:
    files = save_model(model)
    return ModelLoader(ModelsSection(engine="torch"))(files.manifest, files.tensors)


def test_a_version_whose_self_test_is_off_is_refused(shipped: Model) -> None:
    with pytest.raises(SelfTestFailed, match=r"on this device; 1e\+06 \+- 1 is expected"):
        load(shipped.with_self_test("flange", _GREY, SelfTest(1e6, 1.0)))


def test_a_version_without_a_self_test_says_what_is_not_checked(shipped: Model) -> None:
    with capture_logs() as logs:
        loaded = load(shipped)
    assert any("no self-test" in each["event"] for each in logs)
    assert loaded.calibrations.keys() == {"flange"}
    assert loaded.bytes > 2**20


def test_a_model_that_cannot_inspect_is_not_used(shipped: Model) -> None:
    small = null_model(0.0, ["flange"], (8, 8))
    check(small, "flange", shipped)
    wrong = LoadedModel("v", {"flange": "c"}, {"flange": View((4, 4))}, small.inspect)
    with pytest.raises(ValueError, match="version v cannot inspect flange"):
        check(wrong, "flange", shipped)


def test_the_size_is_known_from_the_manifest(shipped: Model) -> None:
    loader = ModelLoader(ModelsSection(engine="torch"))
    assert loader.size(save_model(shipped).manifest) == load(shipped).bytes
    with pytest.raises(ModelCorrupt):
        loader.size(b"no manifest")
