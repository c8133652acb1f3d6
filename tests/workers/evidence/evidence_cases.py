"""An evidence store to look at: cases of any age, on whatever store a test names."""

from datetime import UTC, datetime, timedelta

from schemas.part import PartRef
from workers.runtime.evidence.cases import Case, note, picture_name
from workers.runtime.store.ports import BlobStore

NOW = 1_800_000_000.0
DAY = 86_400.0


class Clock:
    """The store's clock."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def a_case(
    number: int,
    category: str = "bolts",
    grade: str = "defect",
    pictures: tuple[bytes, ...] = (),
    at: float = NOW,
    *,
    part: PartRef | None = None,
) -> tuple[Case, dict[str, bytes]]:
    """A case and its pictures, by their names in the store."""
    data = pictures or (f"frame {number}".encode() * 100, f"heatmap {number}".encode() * 100)
    named = {picture_name(each, "png"): each for each in data}
    kinds = ("frame", "heatmap", "outline", "counterpart")
    time = datetime.fromtimestamp(at, UTC)
    case = Case(
        outcome_id=f"{number:032x}",
        frame_id=f"frame-{number}",
        camera_id="line-1",
        category=category,
        grade=grade,
        captured_at=time - timedelta(seconds=1),
        decided_at=time,
        model_version="v1",
        pictures=dict(zip(kinds, named, strict=False)),
        part=part,
    )
    return case, named


def put(blobs: BlobStore, made: tuple[Case, dict[str, bytes]]) -> Case:
    """Store a case as its writer does."""
    case, pictures = made
    note(blobs, case)
    for name, data in pictures.items():
        blobs.write(name, data)
    return case
