"""What cameras give becomes what is sent: depth kept, colours in place, encodings without loss."""

import io

import numpy as np
import pytest
from PIL import Image

from schemas.frame import CONTENT_TYPES
from stream_inspector.image.formats.raw import RAW_FORMATS
from workers.camera.devices.device import Grab
from workers.camera.devices.encode import encoded, shot
from workers.camera.devices.pixels import Picture, Samples, picture, pixel_format
from workers.camera.settings import DeviceSettings
from workers.runtime.errors import SettingsError

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8)
DEEP = (np.arange(48, dtype=np.uint16) * 80).reshape(6, 8)  # 12 bits


def taken(samples: Samples, name: str, *, convert_bayer: bool = True) -> Picture:
    form = pixel_format(name)
    assert form is not None
    return picture(samples, form, convert_bayer=convert_bayer)


@pytest.mark.parametrize(("name", "shift"), [("Mono10", 6), ("Mono12", 4), ("Mono16", 0)])
def test_depth_is_kept_and_spans_all_bits(name: str, shift: int) -> None:
    found = taken(DEEP, name).pixels
    assert found.dtype == np.uint16
    assert (found == DEEP.astype(int) * 2**shift % 2**16).all()


def test_colours_lie_in_their_order() -> None:
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[:, :, 0] = 9
    assert taken(pixels[:, :, :3], "BGR8").pixels[0, 0].tolist() == [0, 0, 9]
    assert taken(pixels, "RGBa8").pixels[0, 0].tolist() == [9, 0, 0]
    assert taken(pixels, "BGRa8").pixels.shape == (2, 2, 3)


@pytest.mark.parametrize("name", ["Mono8", "Mono12", "BayerRG8", "RGB8", "BGR8", "RGBa8"])
@pytest.mark.parametrize("convert_bayer", [True, False])
def test_a_picture_outlives_the_buffer_that_it_came_in(name: str, convert_bayer: bool) -> None:
    samples = {"RGB8": 3, "BGR8": 3, "RGBa8": 4}.get(name, 1)
    buffer = np.zeros((6, 8, samples), np.uint16 if name == "Mono12" else np.uint8)
    buffer = buffer[:, :, 0] if samples == 1 else buffer
    kept = taken(buffer, name, convert_bayer=convert_bayer).pixels
    buffer[:] = 77  # the device writes the next one
    assert kept.flags.c_contiguous
    assert not kept.any()


def test_a_mosaic_becomes_colour_or_is_kept() -> None:
    assert taken(GREY, "BayerRG8").pixels.shape == (6, 8, 3)
    assert taken(DEEP, "BayerGB12").pixels.dtype == np.uint8
    kept = taken(DEEP, "BayerGB12", convert_bayer=False)
    assert (kept.bayer, kept.pixels.dtype, kept.pixels.shape) == ("GB", np.uint16, (6, 8))


@pytest.mark.parametrize("name", ["Mono12p", "YUV422_8", "RGB12", "", "Mono9"])
def test_what_is_not_known_is_said_to_be_so(name: str) -> None:
    assert pixel_format(name) is None


@pytest.mark.parametrize("encoding", ["png", "png-fast"])
@pytest.mark.parametrize(
    ("samples", "name"), [(GREY, "Mono8"), (DEEP, "Mono12"), (GREY, "BayerRG8")]
)
def test_png_loses_nothing(encoding: str, samples: Samples, name: str) -> None:
    made = taken(samples, name)
    data, kind = encoded(made, DeviceSettings.model_validate({"encoding": encoding}))
    assert kind == "image/png"
    assert (np.asarray(Image.open(io.BytesIO(data))) == made.pixels).all()


@pytest.mark.parametrize(
    ("samples", "name", "kind"),
    [
        (GREY, "Mono8", "gray8"),
        (DEEP, "Mono12", "gray16"),
        (GREY, "BayerBG8", "bayer-bg8"),
        (DEEP, "BayerGR10", "bayer-gr16"),
    ],
)
def test_raw_pixels_say_what_they_are(samples: Samples, name: str, kind: str) -> None:
    settings = DeviceSettings(encoding="raw", demosaic=False)
    made = taken(samples, name, convert_bayer=False)
    found = shot(Grab(made, 1, None, pixel_format=name), settings, part=7)
    assert found.content_type == f"application/vnd.stream-inspector.raw-{kind}"
    assert (found.width, found.height, found.count) == (8, 6, 7)
    assert found.pixel_format == name
    assert len(found.data) == made.pixels.nbytes


def test_jpeg_is_refused_for_more_than_eight_bits() -> None:
    settings = DeviceSettings(encoding="jpeg")
    assert encoded(taken(GREY, "Mono8"), settings)[1] == "image/jpeg"
    with pytest.raises(SettingsError, match=r"camera\.device\.encoding: jpeg holds 8 bits"):
        encoded(taken(DEEP, "Mono12"), settings)


def test_a_kept_mosaic_is_sent_raw_or_not_at_all() -> None:
    with pytest.raises(ValueError, match="encoding: raw alone"):
        DeviceSettings(demosaic=False, encoding="png")
    with pytest.raises(ValueError, match="at least 1 pixel"):
        DeviceSettings(region=(0, 0, 0, 5))


def test_wire_and_core_know_the_same_formats() -> None:
    assert {kind for kind in CONTENT_TYPES if "raw-" in kind} == RAW_FORMATS.keys()
