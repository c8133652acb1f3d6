"""Mask files on a view's canvas, and what the command says of them at its end."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stream_inspector.errors import DataError
from stream_inspector.image.view.canvas import View
from workers.offline.images.datasets import LabelledFile
from workers.offline.images.masks import read_mask
from workers.offline.images.views import check_mask, view_for
from workers.offline.noted import noting
from workers.offline.scoring.labelled import read_labelled
from workers.runtime.categories import read_category
from workers.runtime.decoders.current import decoding_by
from workers.runtime.decoders.settings import ImagesSection
from workers.runtime.errors import SettingsError

VIEW = View((16, 16), upright=True, bits=0)


def mask(path: Path, *where: slice, size: tuple[int, int] = (16, 16), **options: object) -> Path:
    pixels = np.zeros(size, np.uint8)
    pixels[where] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


TOP, BOTTOM = (slice(0, 4), slice(0, 16)), (slice(12, 16), slice(0, 16))


def damaged(path: Path) -> Path:
    """A PNG whose chunks break off: Pillow calls that a SyntaxError."""
    data = bytearray(mask(path, *TOP).read_bytes())
    data[40:48] = b"\xff" * 8
    path.write_bytes(data)
    return path


def test_masks_of_one_image_are_taken_together(tmp_path: Path) -> None:
    mask(tmp_path / "000/000.png", *TOP)
    mask(tmp_path / "000/001.png", *BOTTOM)
    found = read_mask(tmp_path / "000", VIEW, (32, 32))
    assert found[:4].all()
    assert found[12:].all()
    assert not found[4:12].any()


def test_a_mask_may_be_a_jpeg(tmp_path: Path) -> None:
    found = read_mask(mask(tmp_path / "m.jpg", *TOP, quality=90), VIEW)
    assert found[:4].all()
    assert not found[4:].any()


def test_a_damaged_mask_is_named_or_its_image_counts_without_it(tmp_path: Path) -> None:
    path = damaged(tmp_path / "0_mask.png")
    with pytest.raises(DataError, match=r"0_mask\.png: is no readable mask"):
        read_mask(path, VIEW)
    Image.effect_noise((16, 16), 40).save(tmp_path / "0.png")
    file, said = LabelledFile(tmp_path / "0.png", "dent", defective=True, mask=path), list[str]()
    with pytest.raises(DataError, match="--on-corrupt skip"):
        read_labelled([file], VIEW)
    test = read_labelled([file], VIEW, on_corrupt="skip", on_skip=said.append)
    assert (test.truth.defective.tolist(), test.truth.masks) == ([True], (None,))
    assert test.files[0].mask is None
    assert "0_mask.png" in said[0]


def test_a_mask_whose_length_is_wrong_is_named_too(tmp_path: Path) -> None:
    path = tmp_path / "0_mask.png"
    Image.effect_noise((64, 64), 90).save(path)
    data = bytearray(path.read_bytes())
    data[35:37] = b"\0\x09"  # of the pixels: what follows is no chunk, which Pillow calls syntax
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"0_mask\.png: is no readable mask: broken PNG"):
        read_mask(path, VIEW)


def test_masks_obey_the_limits_of_pictures(tmp_path: Path) -> None:
    path = mask(tmp_path / "m.png", *TOP, size=(200, 200))
    few = ImagesSection(max_pixels=10_000).rules(10**6)
    with decoding_by(few), pytest.raises(DataError, match=r"images\.max_pixels"):
        read_mask(path, VIEW)
    with decoding_by(ImagesSection().rules(1024)):
        mask(path, *TOP, size=(2000, 2000), compress_level=0)
        with pytest.raises(DataError, match=r"kafka\.max_frame_bytes"):
            read_mask(path, VIEW)


def test_a_mask_is_turned_like_its_image(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 3
    path = mask(tmp_path / "m.png", *TOP, exif=exif)
    assert read_mask(path, VIEW)[12:].all()
    assert read_mask(path, View((16, 16), upright=False))[:4].all()


def test_a_mask_with_its_sides_turned_names_the_setting(tmp_path: Path) -> None:
    path = mask(tmp_path / "m.png", *TOP, size=(8, 16))
    with pytest.raises(DataError, match=r"is 16 x 8, its image 8 x 16 pixels.*view\.orientation"):
        read_mask(path, VIEW, (8, 16))


def test_what_was_taken_for_defect_is_told(tmp_path: Path) -> None:
    colours = np.zeros((16, 16, 3), np.uint8)
    colours[:4], colours[8:12] = (0, 0, 255), (255, 255, 0)
    Image.fromarray(colours).save(tmp_path / "colours.png")
    with noting() as notes:
        assert read_mask(tmp_path / "colours.png", VIEW).sum() == 8 * 16
        read_mask(mask(tmp_path / "white.png", slice(0, 12)), VIEW)
        read_mask(mask(tmp_path / "usual.png", *TOP), VIEW)
    said = list(notes.lines())
    assert said[0].startswith("1 mask (e.g. colours.png): everything that is not black was taken")
    assert said[1].startswith("1 mask (e.g. white.png): more than 50% of the picture (are black")
    assert len(said) == 2


def test_a_view_ignores_by_the_same_rule(tmp_path: Path) -> None:
    colours = np.zeros((16, 16, 3), np.uint8)
    colours[:8] = (0, 0, 255)
    Image.fromarray(colours).save(tmp_path / "fixture.bmp")
    (tmp_path / "bolts.yaml").write_text("view: {ignore: {mask: fixture.bmp}, input_size: preset}")
    view = view_for(read_category(tmp_path / "bolts.yaml"), (32, 32), (16, 16))
    assert not view.valid[:16].any()
    assert view.valid[16:].all()


def test_a_category_carries_its_mask(tmp_path: Path) -> None:
    import base64

    data = mask(tmp_path / "m.png", *TOP).read_bytes()
    text = base64.b64encode(data).decode()
    file = tmp_path / "bolts.yaml"
    file.write_text(
        f"view: {{ignore: {{mask: 'data:image/png;base64,{text}'}}, input_size: preset}}"
    )
    category = read_category(file)
    assert category.mask == data
    assert not view_for(category, (32, 32), (16, 16)).valid[:8].any()
    assert category.fingerprint is not None
    check_mask(category)
    file.write_text("view: {ignore: {mask: 'data:image/png;base64,%%'}}")
    with pytest.raises(SettingsError, match=r"bolts\.yaml: view\.ignore\.mask"):
        read_category(file)


def test_a_mask_that_marks_nothing_is_told(tmp_path: Path) -> None:
    with noting() as notes:
        black = tmp_path / "black.png"
        Image.new("L", (16, 16)).save(black)
        assert not read_mask(black, VIEW).any()
    assert "1 mask (e.g. black.png): nothing, since all of it is black, was taken for defect" in [
        *notes.lines()
    ]


def test_bytes_that_are_no_picture_are_named(tmp_path: Path) -> None:
    for name, data, what in (
        ("page.png", b"<html>", "a page of markup"),
        ("odd.png", b"\x01\x02", "no picture \\(they begin with 01 02\\)"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(
            DataError, match=f"{name}: is no readable mask: its .* bytes are {what}"
        ):
            read_mask(tmp_path / name, VIEW)
