from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stream_inspector.errors import DataError
from stream_inspector.image.view.canvas import View
from workers.offline.images.datasets import LabelledFile
from workers.offline.images.masks import read_mask
from workers.offline.scoring.labelled import read_labelled
from workers.offline.scoring.maps import in_frame


def picture(path: Path, width: int = 12, height: int = 8) -> Path:
    Image.fromarray(np.full((height, width), 255, np.uint8)).save(path)
    return path


def bad(path: Path, mask: Path | None) -> LabelledFile:
    return LabelledFile(path, "bent", defective=True, mask=mask)


def test_images_come_with_their_masks_and_sizes(tmp_path: Path) -> None:
    image, mask = picture(tmp_path / "0.png"), picture(tmp_path / "m.png", 6, 4)
    good = LabelledFile(image, "good", defective=False, mask=None)

    test = read_labelled([good, bad(image, mask), bad(image, None)], View((16, 16)), (4, 6))

    assert [each.shape for each in test.images] == [(16, 16, 3)] * 3
    assert test.sizes == [(12, 8)] * 3
    assert test.truth.defective.tolist() == [False, True, True]
    empty, full, unknown = test.truth.masks
    assert empty is not None
    assert full is not None
    assert (empty.shape, empty.any(), full.shape, full.all()) == ((4, 6), False, (4, 6), True)
    assert unknown is None


def test_a_mask_of_another_shape_is_refused(tmp_path: Path) -> None:
    image, mask = picture(tmp_path / "0.png"), picture(tmp_path / "m.png", 8, 12)

    with pytest.raises(DataError, match=r"m\.png: is 8 x 12, its image 12 x 8 pixels"):
        read_labelled([bad(image, mask)], View((16, 16)))


def test_an_unreadable_image_is_named_or_left_out_with_its_truth(tmp_path: Path) -> None:
    image, broken = picture(tmp_path / "0.png"), tmp_path / "1.png"
    broken.write_bytes(b"half")
    files = [bad(broken, None), LabelledFile(image, "good", defective=False, mask=None)]
    skipped: list[str] = []

    with pytest.raises(DataError, match=r"1\.png.*--on-corrupt skip"):
        read_labelled(files, View((16, 16)))
    test = read_labelled(files, View((16, 16)), on_corrupt="skip", on_skip=skipped.append)

    assert test.truth.defective.tolist() == [False]
    assert (len(test.images), len(test.files), len(skipped)) == (1, 1, 1)


def test_masks_lie_where_the_view_shows_the_frame(tmp_path: Path) -> None:
    truth = np.zeros((16, 32), np.uint8)
    truth[:, 16:20] = 255
    Image.fromarray(truth).save(tmp_path / "mask.png")
    right = View((16, 16), region=(0.5, 0.0, 1.0, 1.0))
    mask = read_mask(tmp_path / "mask.png", right)
    assert mask[:, :4].all()
    assert not mask[:, 4:].any()
    padded = read_mask(tmp_path / "mask.png", View((32, 32), content=(16, 32)))
    assert padded[8:24, 16:20].all()
    assert padded.sum() == 16 * 4


def test_a_canvas_map_goes_back_to_its_place_in_the_frame() -> None:
    view = View((16, 16), region=(0.5, 0.0, 1.0, 1.0))
    scores = np.full((16, 16), 2.0, np.float32)
    scores[:, 8:] = -np.inf
    scores[0, 0] = 1.0
    full = in_frame(scores, view, (64, 32))
    assert full.shape == (32, 64)
    assert np.isfinite(full).all()
    assert full[8:, 34:48] == pytest.approx(2)
    assert (full[:, :32] == 1).all()  # not inspected: the smallest score
    assert (full[:, 48:] == 1).all()
