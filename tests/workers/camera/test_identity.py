"""Who a part is comes from settings, the plant's file, a file's name, its sidecar or a counter."""

import json
from pathlib import Path

import pytest
from PIL import Image

from schemas.frame import decode_frame
from schemas.part import PartRef
from tests.workers.camera.test_run_camera import frames, settings
from workers.camera.command import _part
from workers.camera.identity import Identity
from workers.camera.run import run_camera
from workers.camera.settings import PartSettings
from workers.camera.sources import Shot
from workers.camera.watched import Company
from workers.runtime.bus.memory import MemoryBroker
from workers.runtime.errors import SettingsError
from workers.runtime.lifecycle import StopSignal


def shot(path: Path | None = None, count: int | None = None) -> Shot:
    return Shot(b"", "image/png", None if path is None else str(path), count=count)


def of(given: Shot, **part: object) -> PartRef | None:
    return Identity(PartSettings.model_validate(part)).of(given)


def test_nobody_says_anything() -> None:
    assert of(shot()) is None


def test_settings_say_it_for_all_parts() -> None:
    assert of(shot(), lot="L-17", attributes={"line": "3"}) == PartRef(
        lot="L-17", attributes={"line": "3"}
    )


def test_a_counter_gives_the_id_unless_something_else_does() -> None:
    assert of(shot(count=4711)) == PartRef(id="4711")
    assert of(shot(Path("SN9.png"), 4711), pattern="(?P<id>SN[0-9]+)") == PartRef(id="SN9")


def test_a_files_name_says_it_by_a_pattern() -> None:
    pattern = "lot_(?P<lot>[^/]+)/(?P<serial>SN[0-9]+)_(?P<view>[a-z]+)_c(?P<cavity>[0-9])"
    found = of(shot(Path("/in/lot_L-17/SN0815_top_c3.png")), pattern=pattern)
    assert found == PartRef(serial="SN0815", lot="L-17", view="top", attributes={"cavity": "3"})
    assert of(shot(Path("/in/other.png")), pattern=pattern) is None


def test_what_is_said_closest_to_the_picture_wins(tmp_path: Path) -> None:
    plant = tmp_path / "line.json"
    plant.write_text(json.dumps({"lot": "of the plant", "shift": "early", "order": 7}))
    (tmp_path / "SN1.json").write_text(json.dumps({"lot": "beside", "serial": 815}))
    found = of(
        shot(tmp_path / "SN1.png"),
        lot="of the settings",
        recipe="r",
        file=plant,
        pattern="(?P<serial>SN[0-9]+)",
        sidecar=".json",
    )
    assert found == PartRef(
        serial="815", lot="beside", recipe="r", shift="early", attributes={"order": "7"}
    )


def test_the_plants_file_is_read_anew_when_it_changes_and_kept_when_it_is_away(
    tmp_path: Path,
) -> None:
    plant = tmp_path / "line.json"
    identity = Identity(PartSettings(file=plant))
    assert identity.of(shot()) is None
    plant.write_text('{"lot": "L-1"}')
    assert identity.of(shot()) == PartRef(lot="L-1")
    plant.write_text('{"lot": "L-22"}')
    assert identity.of(shot()) == PartRef(lot="L-22")
    plant.write_text("half")
    assert identity.of(shot()) == PartRef(lot="L-22")
    plant.unlink()
    assert identity.of(shot()) == PartRef(lot="L-22")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"lot": ', "[" * 60_000, "\x00", '"x"'])
def test_a_file_that_says_nothing_costs_no_frame(tmp_path: Path, text: str) -> None:
    (tmp_path / "1.json").write_text(text)
    identity = Identity(PartSettings(sidecar=".json", lot="L-17"))
    assert identity.of(shot(tmp_path / "1.png")) == PartRef(lot="L-17")
    assert identity.unusable == 1


def test_what_is_too_long_is_named(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_text(json.dumps({"serial": "x" * 200, "lot": "L-17"}))
    identity = Identity(PartSettings(sidecar=".json"))
    assert identity.of(shot(tmp_path / "1.png")) == PartRef(lot="L-17", dropped=["serial"])
    assert identity.unusable == 1


@pytest.mark.parametrize("pattern", ["(", "SN[0-9]+", "(?P<serial>"])
def test_a_pattern_that_finds_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(SettingsError, match="pattern"):
        settings(**{"part.pattern": pattern})


def test_flags_become_settings() -> None:
    assert _part(["lot=L=17", "cavity=3"]) == {
        "camera.part.lot": "L=17",
        "camera.part.attributes.cavity": "3",
    }


def test_it_travels_with_the_frame(tmp_path: Path) -> None:
    for number in (1, 2):
        Image.new("L", (8, 8)).save(tmp_path / f"SN{number}.png")
    broker = MemoryBroker()
    part = {"part.pattern": "(?P<serial>SN[0-9]+)", "part.lot": "L-17"}
    run_camera(settings(source=str(tmp_path), **part), broker.producer, StopSignal())
    assert [frame.part for frame in frames(broker)] == [
        PartRef(serial="SN1", lot="L-17"),
        PartRef(serial="SN2", lot="L-17"),
    ]
    assert dict(broker.records("frames")[0].headers)["ce_lot"] == b"L-17"
    assert decode_frame(broker.records("frames")[0].headers, b"").part is not None


def test_a_watched_picture_waits_for_its_sidecar_but_not_for_ever(tmp_path: Path) -> None:
    now = [0.0]
    company = Company(PartSettings(sidecar=".json", sidecar_wait_s=5), lambda: now[0])
    pictures = [tmp_path / "1.png", tmp_path / "2.png"]
    assert company.arrived(pictures) == []
    (tmp_path / "1.json").write_text("{")
    assert company.arrived(pictures) == []
    (tmp_path / "1.json").write_text('{"lot": "L-17"}')
    assert company.arrived(pictures) == []  # it was written since the last look
    assert company.arrived(pictures) == [pictures[0]]
    now[0] = 5.0
    assert company.arrived(pictures) == pictures
