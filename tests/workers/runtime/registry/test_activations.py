"""Only records are records; a broken one is named, passed over and can be repaired."""

import json
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from workers.runtime.errors import StoreUnavailable
from workers.runtime.registry import activations
from workers.runtime.registry.activations import Superseded
from workers.runtime.registry.care import problems, set_aside
from workers.runtime.registry.registry import Registry
from workers.runtime.store.files import open_blobs

STRAY = [
    *("Thumbs.db", ".DS_Store", "desktop.ini", "00000002.json~", ".00000002.json.swp", "#1#"),
    *(
        "2.json",
        "000000002.json",
        "0000002.json",
        "00000000.json",
        "-0000002.json",
        "00000002.JSON",
    ),
    *("00000002.json.bak", "Copy of 00000001.json", "old/00000009.json", "00000009.json/inside"),
    "\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0662.json",
]
SOUND = {"number": 3, "version": "v2", "by": "eve", "why": "", "at": "2026-01-01T00:00:00+00:00"}
BROKEN: list[Any] = [
    b"",
    b"\n\n",
    b'{"number": 3, "ver',
    b"\x00" * 300,
    b"[" * 100_000,
    b"[]",
    b"3",
    b'"3"',
    {},
    {"format": 2, "active": {"version": "v2"}},
    SOUND | {"number": 4},
    SOUND | {"number": "3"},
    SOUND | {"number": True},
    SOUND | {"version": "../v2"},
    SOUND | {"version": None},
    SOUND | {"at": "yesterday"},
    SOUND | {"at": "2026-01-01T00:00:00"},
    SOUND | {"why": ["x"]},
]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activations, "_BEING_WRITTEN_S", 0.001)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Two versions; the second activation made v1 the active one."""
    made = Registry(open_blobs(str(tmp_path)))
    for version in ("v1", "v2"):
        made.push(["bolts"], version, b"{}", b"")
    for version in ("v2", "v1"):
        made.activate("bolts", version, "anna", "")
    return made


def put(tmp_path: Path, name: str, content: Any) -> Path:
    file = tmp_path / "categories/bolts/activations" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return file


def wrong(registry: Registry) -> str:
    found = list(problems(registry, lambda _: None))
    said = [each for each in found if "activations" in each or "activation " in each]
    return "\n".join(each for each in said if "names version" not in each)  # no real models here


@pytest.mark.parametrize("name", STRAY)
@pytest.mark.parametrize("content", [b"", SOUND | {"number": 2}])
def test_what_is_called_otherwise_is_no_record(
    registry: Registry, tmp_path: Path, name: str, content: Any
) -> None:
    put(tmp_path, name, content)
    last = registry.last("bolts")
    assert last is not None
    assert (last.number, last.version) == (2, "v1")
    assert [each.number for each in registry.history("bolts")] == [1, 2]
    assert registry.activate("bolts", "v2", "ben", "", expect=2) == 3
    assert registry.active("bolts") == "v2"


def test_a_folder_in_the_place_of_the_next_record_is_passed_over(
    registry: Registry, tmp_path: Path
) -> None:
    put(tmp_path, "00000003.json/inside", b"")
    assert registry.activate("bolts", "v2", "ben", "", expect=2) == 4
    assert registry.active("bolts") == "v2"


def test_a_record_under_another_number_of_digits_is_named(
    registry: Registry, tmp_path: Path
) -> None:
    put(tmp_path, "3.json", SOUND)
    assert "activations/3.json is no activation, by its name" in wrong(registry)


@pytest.mark.parametrize("content", BROKEN)
def test_a_broken_record_is_passed_over_named_and_followed(
    registry: Registry, tmp_path: Path, content: Any
) -> None:
    file = put(tmp_path, "00000003.json", content)
    with capture_logs() as logs:
        for _ in range(3):
            assert registry.active("bolts") == "v1"
    assert [each["event"].partition(":")[0] for each in logs] == [
        "a broken activation is passed over"
    ]
    assert "00000003.json is broken" in wrong(registry)
    assert registry.activate("bolts", "v2", "ben", "", expect=2) == 4
    assert registry.active("bolts") == "v2"
    [moved] = set_aside(registry)
    assert moved == (
        "categories/bolts/activations/00000003.json -> "
        "aside/categories/bolts/activations/00000003.json"
    )
    assert not file.exists()
    assert (tmp_path / "aside/categories/bolts/activations/00000003.json").is_file()
    assert wrong(registry) == ""
    assert registry.activate("bolts", "v1", "ben", "", expect=4) == 5


def test_a_record_of_a_newer_version_of_the_software_counts(
    registry: Registry, tmp_path: Path
) -> None:
    put(tmp_path, "00000003.json", SOUND | {"shift": "night"})
    assert registry.active("bolts") == "v2"


def test_a_record_that_may_not_be_read_is_passed_over(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, read = put(tmp_path, "00000003.json", SOUND), Path.read_bytes

    def denied(path: Path) -> bytes:  # root may read whatever its mode is
        if path == file:
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", denied)
    assert registry.active("bolts") == "v1"
    assert "00000003.json is broken and passed over: it may not be read" in wrong(registry)
    assert registry.activate("bolts", "v2", "ben", "", expect=2) == 4
    with pytest.raises(StoreUnavailable, match="Permission denied"):
        list(set_aside(registry))


def test_a_store_that_fails_is_not_taken_for_a_broken_record(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else an old version would be served whenever the store does not answer."""

    def fails(path: Path) -> bytes:
        raise OSError(110, "Connection timed out")

    monkeypatch.setattr(Path, "read_bytes", fails)
    with pytest.raises(StoreUnavailable, match="timed out"):
        registry.active("bolts")


def test_with_broken_records_only_nothing_is_active_until_somebody_activates(
    tmp_path: Path,
) -> None:
    registry = Registry(open_blobs(str(tmp_path)))
    registry.push(["bolts"], "v1", b"{}", b"")
    put(tmp_path, "00000001.json", b"")
    with pytest.raises(StoreUnavailable, match=r"00000001\.json .*empty.*model activate bolts"):
        registry.active("bolts")
    assert registry.activate("bolts", "v1", "anna", "", expect=0) == 2
    assert registry.active("bolts") == "v1"


def test_a_record_that_is_being_written_is_waited_for(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = put(tmp_path, "00000003.json", b'{"number": 3')
    monkeypatch.setattr(
        activations.time, "sleep", lambda _: file.write_text(json.dumps(SOUND)) and None
    )
    with pytest.raises(Superseded, match="eve made version v2 active"):
        registry.activate("bolts", "v1", "ben", "", expect=2)


def test_a_number_beyond_eight_digits_comes_after(registry: Registry, tmp_path: Path) -> None:
    put(tmp_path, "99999999.json", SOUND | {"number": 99999999})
    assert registry.activate("bolts", "v1", "ben", "") == 100000000
    assert registry.active("bolts") == "v1"


def test_stray_files_elsewhere_are_no_versions_and_no_categories(
    registry: Registry, tmp_path: Path
) -> None:
    for name in (
        "models/Thumbs.db",
        "categories/.DS_Store",
        "categories/bolts/versions/Thumbs.db",
        "categories/bolts/versions/v1.json~",
        "categories/nuts.txt",
        ".DS_Store",
    ):
        (tmp_path / name).write_bytes(b"junk")
    assert registry.every_version() == ["v1", "v2"]
    assert registry.categories() == ["bolts"]
    assert registry.versions("bolts") == ["v1", "v2"]


def test_earlier_versions_leave_out_what_was_rolled_back_from(registry: Registry) -> None:
    assert registry.activations.earlier("bolts") == ["v2"]
    registry.activate("bolts", "v2", "ben", "")
    registry.activate("bolts", "v1", "ben", "rollback: v2 misses scratches")
    assert registry.activations.earlier("bolts") == []
    registry.push(["bolts"], "v3", b"{}", b"")
    registry.activate("bolts", "v3", "ben", "")
    assert registry.activations.earlier("bolts") == ["v1"]
