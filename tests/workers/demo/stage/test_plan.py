from pathlib import Path

import pytest
from PIL import Image

from workers.camera.settings import CameraProcessSettings
from workers.camera.sources import list_files
from workers.demo.settings import DemoSettings
from workers.demo.stage.folder import RunFolder
from workers.demo.stage.plan import (
    camera_flags,
    notifier_flags,
    plan_load,
    poison_flags,
    worker_flags,
)
from workers.demo.stage.processes import flags as as_arguments
from workers.inspector.settings import InspectorSettings
from workers.notifier.settings import NotifierProcessSettings
from workers.runtime.errors import SettingsError
from workers.runtime.settings.process import ProcessSettings, parse_assignments


def bolts(folder: Path, count: int = 4) -> Path:
    for index in range(count):
        path = folder / "bolts/test/good" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 20)).save(path)
    return folder / "bolts"


def test_the_default_is_the_rendered_product() -> None:
    load = plan_load(DemoSettings())

    assert (load.category, load.source, load.frames) == ("flange", "synthetic", 120)
    assert not load.note


def test_real_images_are_all_streamed_once(tmp_path: Path) -> None:
    load = plan_load(DemoSettings(data=bolts(tmp_path)))

    assert (load.category, load.frames, load.loop) == ("bolts", 4, False)
    assert load.source.endswith("bolts")


def test_a_layout_without_a_test_folder_is_played_too(tmp_path: Path) -> None:
    (tmp_path / "split_csv").mkdir()
    rows = ["object,split,label,image,mask", "bolts,test,normal,bolts/Data/Images/Normal/0.png,"]
    (tmp_path / "split_csv/1cls.csv").write_text("\n".join(rows))
    image = bolts(tmp_path, 1) / "Data/Images/Normal/0.png"
    image.parent.mkdir(parents=True)
    (tmp_path / "bolts/test").rename(tmp_path / "elsewhere")
    Image.new("RGB", (20, 20)).save(image)

    load = plan_load(DemoSettings(data=tmp_path / "bolts"))
    assert load.frames == 1
    assert list_files(load.source).files == (image,)


def test_a_hidden_copy_is_neither_planned_nor_played(tmp_path: Path) -> None:
    folder = bolts(tmp_path)
    copies = folder / "test/good/.ipynb_checkpoints"
    copies.mkdir()
    Image.new("RGB", (20, 20)).save(copies / "0-checkpoint.png")
    load = plan_load(DemoSettings(data=folder))
    assert load.frames == len(list_files(load.source).files) == 4


def test_a_folder_whose_name_no_category_can_have_is_refused(tmp_path: Path) -> None:
    bolts(tmp_path).rename(tmp_path / "Metal Nut")
    with pytest.raises(SettingsError, match=r"Metal_Nut; or give --category"):
        plan_load(DemoSettings(data=tmp_path / "Metal Nut"))
    named = DemoSettings(data=tmp_path / "Metal Nut", category="metal-nut")
    assert plan_load(named).category == "metal-nut"


def test_more_frames_than_images_repeat_them(tmp_path: Path) -> None:
    load = plan_load(DemoSettings(data=bolts(tmp_path), frames=10))

    assert (load.frames, load.loop) == (10, True)


def test_a_broker_on_disk_takes_all_frames() -> None:
    settings = DemoSettings(broker="kafka", frames=5000, broker_bytes=2**20)
    assert plan_load(settings).frames == 5000


def test_frames_stay_within_the_memory_of_the_embedded_broker() -> None:
    load = plan_load(DemoSettings(frames=10**6, broker_bytes=2**20))

    assert load.frames == 2**20 // (256 * 256 * 3)
    assert "5 frames instead of 1000000" in load.note


def test_cameras_are_spread_evenly_over_partitions(tmp_path: Path) -> None:
    settings = DemoSettings(cameras=3)

    flags = camera_flags(settings, plan_load(settings), RunFolder(tmp_path))

    assert flags["camera.partitions"] == {"cam-1": 0, "cam-2": 1, "cam-3": 2}


@pytest.mark.parametrize(("workers", "threads"), [(1, 8), (3, 2), (16, 1)])
def test_workers_share_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, threads: int
) -> None:
    monkeypatch.setattr("workers.demo.stage.plan.whole_processors", lambda: 8)
    settings = DemoSettings(workers=workers)
    load = plan_load(settings)

    flags = worker_flags(0, settings, load, RunFolder(tmp_path), engine="torch", port=1)

    assert flags["models.threads"] == threads
    assert flags["categories.names"] == ["flange"]


def test_every_process_accepts_its_flags(tmp_path: Path) -> None:
    settings, run = DemoSettings(), RunFolder(tmp_path)
    load = plan_load(settings)
    flags: list[tuple[type[ProcessSettings], dict[str, object]]] = [
        (CameraProcessSettings, camera_flags(settings, load, run)),
        (CameraProcessSettings, poison_flags(settings, load, run, tmp_path)),
        (InspectorSettings, worker_flags(0, settings, load, run, engine="torch", port=1)),
        (NotifierProcessSettings, notifier_flags(run)),
    ]

    for process, given in flags:
        arguments = as_arguments(given)
        assert arguments[::2] == ["--set"] * len(given)
        process.load(None, parse_assignments(arguments[1::2]))
