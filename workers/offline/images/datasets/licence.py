"""What may be done with the public datasets. Nothing here downloads them."""

from collections.abc import Iterable

from workers.runtime.datasets.btad import BTAD
from workers.runtime.datasets.detect import CategoryFolder
from workers.runtime.datasets.visa import VISA

_MVTEC_AD = (
    *("bottle", "cable", "capsule", "carpet", "grid", "hazelnut", "leather", "metal_nut"),
    *("pill", "screw", "tile", "toothbrush", "transistor", "wood", "zipper"),
)
_VISA = (
    *("candle", "capsules", "cashew", "chewinggum", "fryum", "macaroni1", "macaroni2"),
    *("pcb1", "pcb2", "pcb3", "pcb4", "pipe_fryum"),
)
_NOTES = {
    "MVTec AD": "CC BY-NC-SA 4.0: no commercial use",
    "BTAD": "its authors say CC BY-SA 4.0, many copies CC BY-NC-SA 4.0: ask before commercial use",
    "VisA": "CC BY 4.0: name its authors (Zou et al., ECCV 2022)",
}


def licence_notes(categories: Iterable[CategoryFolder]) -> list[str]:
    """A line for each public dataset among the categories, told by layout and names."""
    names = {_dataset(each) for each in categories}
    return [f"{name}: {note}" for name, note in _NOTES.items() if name in names]


def _dataset(category: CategoryFolder) -> str | None:
    if category.layout is BTAD and category.name in ("01", "02", "03"):
        return "BTAD"
    if category.layout is VISA or category.name in _VISA:
        return "VisA"
    return "MVTec AD" if category.name in _MVTEC_AD else None
