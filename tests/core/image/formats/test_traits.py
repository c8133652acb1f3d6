"""One rule for orientation, pages, planes and alpha, whatever the file kind."""

import io
import struct

import numpy as np
import PIL.Image as Pil
import pytest

from stream_inspector.errors import Undecodable
from stream_inspector.image.decode import Decoded, DecodeLimits, decode
from stream_inspector.image.view.canvas import View
from tests.core.image.test_decode import ENCODED_BY_KIND, encoded, picture

UPRIGHT, STORED = View((40, 60), upright=True), View((40, 60), upright=False)
TALL = View((60, 40), upright=True)
AS_DISPLAYED = {
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored.swapaxes(0, 1), 2),
    8: np.rot90,
}


def seen(data: bytes, kind: str, view: View) -> Decoded:
    return decode(data, ENCODED_BY_KIND[kind], view, DecodeLimits())


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
@pytest.mark.parametrize("number", range(1, 9))
def test_an_upright_view_sees_what_a_viewer_shows(kind: str, number: int) -> None:
    exif = Pil.Exif()
    exif[274] = number
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    data, stored = encoded(picture(), kind, exif=exif, **options), picture()
    shown = AS_DISPLAYED[number](stored)
    view = UPRIGHT if shown.shape == stored.shape else TALL

    upright, plain = seen(data, kind, view), seen(data, kind, STORED)

    most = 3 if kind == "JPEG" else 0
    assert np.abs(upright.image.astype(int) - shown).mean() <= most
    assert upright.original_size == shown.shape[1::-1]
    assert np.abs(plain.image.astype(int) - stored).mean() <= most
    assert plain.original_size == (60, 40)
    assert upright.traits.orientation == plain.traits.orientation == number


def test_a_turned_jpeg_is_reduced_by_its_stored_sides() -> None:
    exif = Pil.Exif()
    exif[274] = 6
    data = encoded(np.zeros((400, 1600, 3), np.uint8), "JPEG", exif=exif)
    found = seen(data, "JPEG", View((320, 80), upright=True))
    assert found.original_size == (400, 1600)


def test_broken_exif_is_no_orientation() -> None:
    data = encoded(picture(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xffnonsense")
    assert seen(data, "JPEG", UPRIGHT).traits.orientation == 1


def pages(*subfile: int) -> bytes:
    stream = io.BytesIO()
    pictures = [Pil.fromarray(picture()) for _ in subfile]
    pictures[0].save(stream, "TIFF", save_all=True, append_images=pictures[1:])
    data = bytearray(stream.getvalue())
    return bytes(data)


def test_a_file_of_several_pages_is_refused() -> None:
    with pytest.raises(Undecodable, match=r"TIFF holds 3 pictures \(pages\).*Split it"):
        seen(pages(0, 0, 0), "TIFF", UPRIGHT)


def test_an_animation_is_refused() -> None:
    stream = io.BytesIO()
    first, second = (Pil.fromarray(picture() // part) for part in (1, 2))
    first.save(stream, "PNG", save_all=True, append_images=[second])
    with pytest.raises(Undecodable, match="PNG holds 2 pictures"):
        seen(stream.getvalue(), "PNG", UPRIGHT)


def test_a_smaller_copy_in_a_tiff_is_no_page() -> None:
    stream = io.BytesIO()
    large, small = Pil.fromarray(picture()), Pil.fromarray(picture()).resize((6, 4))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    large.save(stream, "TIFF", save_all=True, append_images=[small])
    assert (seen(stream.getvalue(), "TIFF", UPRIGHT).image == picture()).all()


def test_a_phone_picture_with_a_second_one_is_its_first() -> None:
    stream = io.BytesIO()
    first, second = (Pil.fromarray(picture() // part) for part in (1, 2))
    first.save(stream, "MPO", save_all=True, append_images=[second], quality=95)
    found = seen(stream.getvalue(), "JPEG", UPRIGHT)
    assert found.traits.further == 1
    assert np.abs(found.image.astype(int) - picture()).mean() < 8


def planar(bits: int) -> bytes:
    """A TIFF whose three planes lie one behind the other."""
    kind = "<u2" if bits == 16 else "u1"
    planes = [(picture()[..., n].astype(kind) << (bits - 8)).astype(kind) for n in range(3)]
    data = b"".join(plane.tobytes() for plane in planes)
    tags = [(256, 60), (257, 40), (258, None), (259, 1), (262, 2), (273, None), (277, 3)]
    tags += [(278, 40), (279, None), (284, 2)]
    at = 8 + 2 + 12 * len(tags) + 4
    size = len(data) // 3
    lists = {258: (3, "H", (bits,) * 3), 273: (4, "I", ()), 279: (4, "I", (size,) * 3)}
    extra, first = b"", at + 6 + 12 + 12
    lists[273] = (4, "I", tuple(first + size * n for n in range(3)))
    entries = b""
    for tag, value in tags:
        if value is None:
            kind_number, code, values = lists[tag]
            entries += struct.pack("<HHII", tag, kind_number, 3, at + len(extra))
            extra += struct.pack(f"<3{code}", *values)
        else:
            entries += struct.pack("<HHII", tag, 4, 1, value)
    return struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4) + extra + data


def test_planes_of_eight_bits_are_read_and_deeper_ones_refused() -> None:
    assert (seen(planar(8), "TIFF", UPRIGHT).image == picture()).all()
    with pytest.raises(Undecodable, match="separate colour planes of 16 bits"):
        seen(planar(16), "TIFF", UPRIGHT)


def test_what_is_dropped_is_told() -> None:
    opaque, clear = (np.full((40, 60, 1), value, np.uint8) for value in (255, 0))
    assert not seen(encoded(np.dstack([picture(), opaque])), "PNG", UPRIGHT).traits.alpha
    assert seen(encoded(np.dstack([picture(), clear])), "PNG", UPRIGHT).traits.alpha
    stream = io.BytesIO()
    Pil.fromarray(picture()).convert("CMYK").save(stream, "JPEG")
    assert seen(stream.getvalue(), "JPEG", UPRIGHT).traits.inks
