"""The active model: missing, damaged, not calibrated, trained with another view, old."""

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stream_inspector.model.version import Model, save_model
from workers.doctor.checks.models import check_on_device, check_room, check_version, judge_room
from workers.doctor.checks.store import check_evidence_writable, check_models_readable
from workers.runtime.categories import Category, ViewSettings
from workers.runtime.detectors.loading import ModelLoader
from workers.runtime.detectors.settings import ModelsSection
from workers.runtime.errors import StoreUnavailable
from workers.runtime.registry.registry import Registry
from workers.runtime.store.files import FolderBlobs

NAME = "flanges"
NOW = datetime.now(UTC)


def active(folder: Path, model: Model) -> Registry:
    registry = Registry(FolderBlobs(folder))
    files = save_model(model)
    registry.push([NAME], model.version, files.manifest, files.tensors)
    registry.activate(NAME, model.version, "test", "test")
    return registry


def test_a_sound_version_is_ok(tiny_model: Model, tmp_path: Path) -> None:
    (finding,) = check_version(active(tmp_path, tiny_model), Category(NAME), NOW)
    assert finding.status == "ok"
    assert tiny_model.version in finding.says


def test_no_version(tmp_path: Path) -> None:
    (finding,) = check_version(Registry(FolderBlobs(tmp_path)), Category(NAME), NOW)
    assert (finding.status, finding.setting) == ("failed", "models.store")


def test_a_damaged_version(tiny_model: Model, tmp_path: Path) -> None:
    registry = active(tmp_path, tiny_model)
    file = tmp_path / f"models/{tiny_model.version}/tensors.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    (finding,) = check_version(registry, Category(NAME), NOW)
    assert finding.status == "failed"
    assert "not those that were pushed" in finding.says


def test_a_version_without_thresholds(tiny_model: Model, tmp_path: Path) -> None:
    bare = dataclasses.replace(tiny_model, calibrations={}, self_tests={})
    (finding,) = check_version(active(tmp_path, bare), Category(NAME), NOW)
    assert finding.status == "failed"
    assert "no thresholds for flanges" in finding.says


def test_a_view_that_the_file_changed(tiny_model: Model, tmp_path: Path) -> None:
    view = ViewSettings(keep_aspect=True)
    (finding,) = check_version(active(tmp_path, tiny_model), Category(NAME, view), NOW)
    assert (finding.status, finding.setting) == ("warning", "categories.folder")


@pytest.mark.parametrize(("days", "status"), [(365, "ok"), (367, "warning")])
def test_an_old_version(tiny_model: Model, tmp_path: Path, days: int, status: str) -> None:
    later = NOW + timedelta(days=days)
    (finding,) = check_version(active(tmp_path, tiny_model), Category(NAME), later)
    assert finding.status == status


def test_a_version_is_loaded_as_a_worker_does(tiny_model: Model, tmp_path: Path) -> None:
    registry = active(tmp_path, tiny_model)
    load = ModelLoader(ModelsSection(engine="torch", threads=1))
    (finding,) = check_on_device(registry, NAME, load)
    assert finding.status == "ok"
    assert "scores its self-test image as it should, torch" in finding.says
    (finding,) = check_on_device(registry, NAME, ModelLoader(ModelsSection(device="cuda:9")))
    assert (finding.status, finding.setting) == ("failed", "models.device")


def test_a_version_without_a_self_test(tiny_model: Model, tmp_path: Path) -> None:
    bare = dataclasses.replace(tiny_model, self_tests={})
    load = ModelLoader(ModelsSection(engine="torch", threads=1))
    (finding,) = check_on_device(active(tmp_path, bare), NAME, load)
    assert finding.status == "warning"
    assert "no self-test image" in finding.says


def test_a_device_that_computes_something_else(tiny_model: Model, tmp_path: Path) -> None:
    test = tiny_model.self_tests[NAME]
    other = dataclasses.replace(test, score=test.score + 100 * test.tolerance)
    wrong = dataclasses.replace(tiny_model, self_tests={NAME: other})
    load = ModelLoader(ModelsSection(engine="torch", threads=1))
    (finding,) = check_on_device(active(tmp_path, wrong), NAME, load)
    assert finding.status == "failed"
    assert "SelfTestFailed" in finding.says


def test_whether_all_versions_stay_on_the_device() -> None:
    sizes = {"a": 60 * 2**20, "b": 40 * 2**20}
    assert judge_room(sizes, 100 * 2**20)[0].says == "2 versions take 100 of 100 MiB"
    (finding,) = judge_room(sizes, 100 * 2**20 - 1)
    assert (finding.status, finding.setting) == ("warning", "models.memory_mb")
    assert "set it to 100 " in (finding.do or "")
    (finding,) = judge_room(sizes, 59 * 2**20)
    assert finding.status == "failed"
    assert "version a alone" in finding.says
    assert judge_room({}, 1)[0].status == "ok"


def test_what_active_versions_take_is_read_from_their_manifests(
    tiny_model: Model, tmp_path: Path
) -> None:
    size = ModelLoader(ModelsSection()).size
    registry = active(tmp_path, tiny_model)
    assert check_room(registry, [NAME, "bolts"], size, 2**40)[0].status == "ok"
    assert check_room(registry, [NAME, "bolts"], size, 2**20)[0].status == "failed"


def test_stores(tiny_model: Model, tmp_path: Path) -> None:
    assert check_models_readable(FolderBlobs(tmp_path), str(tmp_path))[0].status == "warning"
    active(tmp_path / "full", tiny_model)
    full = tmp_path / "full"
    assert check_models_readable(FolderBlobs(full), str(full))[0].status == "ok"
    assert check_evidence_writable(FolderBlobs(tmp_path / "e"), "e")[0].status == "ok"
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable):
        check_evidence_writable(FolderBlobs(tmp_path / "file"), "file")
