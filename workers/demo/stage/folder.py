"""The demo's output folder. Only a folder that an earlier demo made is ever emptied."""

import io
import shutil
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as Pillow

from stream_inspector.synthetic import render
from workers.runtime.errors import SettingsError

_MARKER = ".stream-inspector-demo"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where everything of a run is."""

    root: Path

    @property
    def books(self) -> tuple[Path, ...]:
        """What the cameras sent: one book for each camera process."""
        return (self.root / "sent.jsonl", self.root / "sent-poison.jsonl")

    @property
    def outcomes(self) -> Path:
        """What the independent reader saw."""
        return self.root / "outcomes.jsonl"

    @property
    def alarms(self) -> Path:
        """What the notifier delivered."""
        return self.root / "alarms.jsonl"

    @property
    def report(self) -> Path:
        """The page."""
        return self.root / "report.html"

    @property
    def summary(self) -> Path:
        """The numbers."""
        return self.root / "summary.json"

    def folder(self, name: str) -> Path:
        """A sub-folder, made on demand."""
        path = self.root / name
        path.mkdir(parents=True, exist_ok=True)
        return path


def prepare(root: Path) -> RunFolder:
    """An empty run folder; trained models in `cache/` stay. Raises SettingsError."""
    if root.exists() and not root.is_dir():
        raise SettingsError(f"--out: {root} is a file")
    if root.exists() and any(root.iterdir()) and not (root / _MARKER).exists():
        raise SettingsError(f"--out: {root} is not empty and no demo made it; give another folder")
    root.mkdir(parents=True, exist_ok=True)
    (root / _MARKER).touch()
    for path in root.iterdir():
        if path.name not in (_MARKER, "cache"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return RunFolder(root.resolve())


def write_poison(folder: Path, count: int) -> Path:
    """Broken frames: by turns a picture cut off half way, and a file that is no picture at all."""
    whole = io.BytesIO()
    Pillow.fromarray(render(0, 0).image).save(whole, "JPEG")
    half = whole.getvalue()[: len(whole.getvalue()) // 2]
    kinds = (("cut-off.jpg", half), ("no-image.png", b"this is not an image"))
    for number in range(count):
        name, data = kinds[number % 2]
        (folder / f"{number:02}-{name}").write_bytes(data)
    return folder
