from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from stream_inspector.detector import Scores
from stream_inspector.image.view.canvas import View
from stream_inspector.synthetic import render
from stream_inspector.verdict import Image
from workers.demo.books import rescore as rescoring
from workers.demo.books.lines import SentFrame
from workers.demo.books.rescore import pixel_quality, rescore
from workers.demo.books.truth import FolderTruth, SyntheticTruth

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SIZE = (64, 64)


def frame(number: int, truth: str | None, path: Path | None = None) -> SentFrame:
    text = str(path) if path else None
    return SentFrame(f"f{number}", "cam-1", number, "nut", NOON, truth, text, number)


def darkness(images: Sequence[Image]) -> Scores:
    """A detector that finds dark pixels."""
    maps = np.stack([255 - image.mean(axis=2) for image in images]).astype(np.float32)
    return Scores(maps, maps.mean(axis=(1, 2)).astype(np.float64), {}, {})


def labelled(folder: Path) -> Path:
    """White squares, one with a black corner and its mask."""
    for kind in ("good", "hole"):
        image = np.full((64, 64, 3), 255, np.uint8)
        image[:16, :16] = 255 if kind == "good" else 0
        path = folder / "test" / kind / "0.png"
        path.parent.mkdir(parents=True)
        Pillow.fromarray(image).save(path)
    mask = np.zeros((64, 64), np.uint8)
    mask[:16, :16] = 255
    (folder / "ground_truth/hole").mkdir(parents=True)
    Pillow.fromarray(mask).save(folder / "ground_truth/hole/0_mask.png")
    return folder


@pytest.mark.slow
def test_files_are_scored_again_and_compared_with_their_masks(tmp_path: Path) -> None:
    folder = labelled(tmp_path)
    frames = [
        frame(0, "good", folder / "test/good/0.png"),
        frame(1, "hole", folder / "test/hole/0.png"),
    ]

    result = rescore(darkness, View(SIZE), frames, FolderTruth(folder))
    quality = pixel_quality(result, sent=2)

    assert quality is not None
    assert (quality.ranking.pixel_auroc, quality.ranking.aupro_30) == (1.0, 1.0)
    assert quality.how.startswith("2 of 2 streamed frames, scored again offline")


def test_without_masks_there_are_no_pixel_metrics(tmp_path: Path) -> None:
    folder = labelled(tmp_path)
    result = rescore(
        darkness, View(SIZE), [frame(0, "good", folder / "test/good/0.png")], FolderTruth(folder)
    )

    assert pixel_quality(result, sent=1) is None


def test_rendered_frames_are_rendered_again_as_they_were_sent() -> None:
    truth = SyntheticTruth(seed=3)

    shown = truth.image(frame(5, "stain"), View((256, 256))).image
    mask = truth.mask(frame(5, "stain"), View((256, 256)))

    assert np.array_equal(shown, render(5, 3, "stain").image)
    assert np.array_equal(mask, render(5, 3, "stain").mask)
    assert not truth.mask(frame(5, "good"), View(SIZE)).any()


def test_memory_is_bounded_by_scoring_every_other_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescoring, "MOST_FRAMES", 3)
    frames = [frame(number, "good") for number in range(6)]

    result = rescore(darkness, View(SIZE), frames, SyntheticTruth(0))

    assert list(result.maps) == ["f0", "f2", "f4"]
