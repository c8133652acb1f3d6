"""The benchmark of encodings tells what is lost from what is not."""

from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.encodings import Cost, area, categories, codes, measure


def test_what_loses_nothing_has_no_error_and_the_rest_is_smaller(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for kind in ("train/good", "test/good", "test/hole"):
        folder = tmp_path / "bolts" / kind
        folder.mkdir(parents=True)
        Image.fromarray(rng.integers(0, 255, (40, 60, 3), np.uint8)).save(folder / "1.png")
    (found,) = categories(tmp_path, [])
    costs = {name: Cost() for name in codes()}
    measure(found, 64, 1, costs, costs_only=True)
    lossy = {name for name, cost in costs.items() if cost.worst}
    assert lossy == {name for name in costs if name.startswith("jpeg")}
    assert costs["jpeg 60"].sizes < costs["jpeg 95"].sizes < costs["raw"].sizes == 2 * 40 * 60 * 3
    assert list(categories(tmp_path, ["nuts"])) == []


def test_the_area_counts_who_scores_higher() -> None:
    assert area([1, 2], [3, 4]) == 1
    assert area([1, 1], [1, 1]) == 0.5
