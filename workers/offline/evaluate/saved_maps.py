"""Score maps as files that others' evaluators read: MVTec's official one expects this tree.

<folder>/<category>/test/<kind>/<stem>.tiff    one channel, float32, as large as the image
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image as Pillow

from stream_inspector.errors import DataError
from stream_inspector.verdict import ScoreMap
from workers.offline.images.datasets import LabelledFile
from workers.runtime.datasets.files import folded


def map_path(folder: Path, category: str, file: LabelledFile) -> Path:
    """Where the map of a test image goes."""
    return folder / category / "test" / file.kind / f"{file.path.stem}.tiff"


def map_paths(folder: Path, category: str, files: Sequence[LabelledFile]) -> list[Path]:
    """Where all of them go.

    Raises DataError when two images would share a name, as 1.png and 1.jpg of one kind do.
    """
    paths = [map_path(folder, category, file) for file in files]
    counts = Counter(folded(str(path)) for path in paths)
    twice = [path for path in paths if counts[folded(str(path))] > 1]
    if twice:
        raise DataError(f"{twice[0]}: two test images of that name; rename one of them")
    return paths


def save_maps(
    folder: Path,
    category: str,
    files: Sequence[LabelledFile],
    maps: Iterable[ScoreMap],
) -> None:
    """Write one TIFF an image, of maps at the images' own sizes. Raises DataError."""
    paths = map_paths(folder, category, files)
    for path, score_map in zip(paths, maps, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(score_map).save(path, "TIFF")
