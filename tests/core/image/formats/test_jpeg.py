"""JPEGs have the pixels that Pillow gives, and lost data is not covered up."""

import io
from typing import Any

import numpy as np
import PIL.Image as Pil
import pytest

from stream_inspector.errors import Damaged, Undecodable
from stream_inspector.image.decode import DecodeLimits, decode
from stream_inspector.image.view.canvas import View
from stream_inspector.verdict import Image

LENIENT = DecodeLimits(accept_damaged=True)


def photo(size: tuple[int, int] = (323, 241), mode: str = "RGB") -> Pil.Image:
    """Something with edges and noise."""
    rng = np.random.default_rng(1)
    coarse = Pil.fromarray(rng.integers(0, 256, (9, 11, 3), np.uint8)).resize(size)
    noise = rng.normal(0, 9, (size[1], size[0], 3))
    pixels = np.clip(np.asarray(coarse) + noise, 0, 255).astype(np.uint8)
    return Pil.fromarray(pixels).convert(mode)


def jpeg(picture: Pil.Image | None = None, **options: Any) -> bytes:
    stream = io.BytesIO()
    (picture or photo()).save(stream, "JPEG", **options)
    return stream.getvalue()


def by_pillow(data: bytes, view: View) -> Image:
    """As it was decoded before anything looked for lost data."""
    rows, columns = view.inside
    size = (columns.stop - columns.start, rows.stop - rows.start)
    with Pil.open(io.BytesIO(data)) as opened:
        opened.draft("RGB", size)
        whole = opened.convert("RGB")
        return np.asarray(whole.resize(size, Pil.Resampling.BILINEAR, view.crop(whole.size)))


@pytest.mark.parametrize("size", [(323, 241), (1, 1), (8, 800), (1601, 999)])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("canvas", [(64, 80), (300, 400)])
@pytest.mark.parametrize(
    "options",
    [
        {"quality": 92},
        {"quality": 60, "subsampling": 0},
        {"quality": 80, "subsampling": 1, "progressive": True},
        {"quality": 95, "subsampling": 2, "restart_marker_blocks": 7},
        {"quality": 97, "optimize": True, "progressive": True, "subsampling": 0},
    ],
)
@pytest.mark.slow
def test_pixels_are_those_of_pillow(
    size: tuple[int, int], mode: str, canvas: tuple[int, int], options: dict[str, Any]
) -> None:
    data, view = jpeg(photo(size, mode), **options), View(canvas)
    found = decode(data, "image/jpeg", view, DecodeLimits())
    assert (found.image == by_pillow(data, view)).all()
    assert (found.original_size, found.damage) == (size, None)


def last_scan(data: bytes) -> int:
    """Where the data of the last scan begins."""
    at = data.rindex(b"\xff\xda") + 2
    return at + int.from_bytes(data[at : at + 2])


def cut(data: bytes, share: float) -> bytes:
    """The end of the data is lost; the file still ends as it should."""
    start = last_scan(data)
    return data[: start + int((len(data) - start) * share)].rstrip(b"\xff") + b"\xff\xd9"


def flipped(data: bytes) -> bytes:
    """Bits of the data are wrong, so that it means something else and ends too soon or too late."""
    start = last_scan(data)
    middle = start + (len(data) - start) // 3
    return data[:middle] + bytes(byte ^ 0x5A for byte in data[middle : middle + 40]) + data[middle:]


def without_some(data: bytes) -> bytes:
    """A piece in the middle is missing, as when a packet was lost."""
    start = last_scan(data)
    middle = start + (len(data) - start) // 3
    return data[:middle] + data[middle + 700 :]


DAMAGE = {
    "all but the head is lost": lambda data: data[: last_scan(data)] + b"\xff\xd9",
    "half is lost": lambda data: cut(data, 0.5),
    "a little is lost": lambda data: cut(data, 0.97),
    "the end of the file is lost": lambda data: data[: len(data) // 2],
    "bits are wrong": flipped,
    "a piece is missing": without_some,
    "bytes before the end": lambda data: data[:-2] + bytes(50) + data[-2:],
}
KINDS = {
    "baseline": {"quality": 90},
    "progressive": {"quality": 90, "progressive": True},
    "restart markers": {"quality": 90, "restart_marker_rows": 1},
    "grey": {"quality": 90, "mode": "L"},
    "four inks": {"quality": 90, "mode": "CMYK"},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", DAMAGE)
def test_lost_data_is_noticed(kind: str, damage: str) -> None:
    if (kind, damage) == ("progressive", "a piece is missing"):
        pytest.skip("a scan may end as it should by accident: no decoder can tell")
    options = dict(KINDS[kind])
    whole = jpeg(photo(mode=str(options.pop("mode", "RGB"))), **options)
    with pytest.raises(Damaged, match=r"image of \d+ bytes lost data: "):
        decode(DAMAGE[damage](whole), "image/jpeg", View((64, 64)), DecodeLimits())


def test_what_is_left_is_taken_where_that_is_wanted_and_the_loss_is_told() -> None:
    data, view = cut(jpeg(quality=90), 0.6), View((241, 323))
    found = decode(data, "image/jpeg", view, LENIENT)
    assert found.damage is not None
    assert "premature end" in found.damage
    assert (found.image == by_pillow(data, view)).all()
    assert (found.image[-8:] == 128).all()  # what libjpeg makes of nothing
    assert decode(jpeg(), "image/jpeg", view, LENIENT).damage is None


def test_what_is_no_jpeg_at_all_is_not_accepted_either() -> None:
    with pytest.raises(Undecodable):
        decode(jpeg()[:300], "image/jpeg", View((64, 64)), LENIENT)
