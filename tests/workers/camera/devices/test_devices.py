"""Devices behind their makers' libraries: emulated ones, which the libraries bring."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from workers.camera.devices.device import Device, DeviceLost, Found, Grab, VideoEnded
from workers.camera.devices.encode import shot
from workers.camera.devices.open import find_devices, open_device
from workers.camera.devices.preview import preview
from workers.camera.devices.usb import find
from workers.camera.settings import CameraSettings, DeviceSettings
from workers.runtime.errors import SettingsError

pytestmark = pytest.mark.integration

basler = pytest.mark.skipif(
    importlib.util.find_spec("pypylon") is None, reason="needs the extra `basler`"
)


def grabs(device: Device, count: int) -> list[Grab]:
    device.open()
    try:
        found = [device.grab(5.0) for _ in range(count)]
    finally:
        device.close()
    return [each for each in found if each is not None]


@pytest.fixture
def cti() -> Path:
    found = importlib.util.find_spec("genicam")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "viky.cti"


@pytest.fixture
def emulated(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PYLON_CAMEMU", "2")
    yield


@basler
def test_an_emulated_basler_plays_our_pictures_and_counts_them(
    emulated: None, tmp_path: Path
) -> None:
    Image.new("L", (64, 48), 200).save(tmp_path / "part.png")
    nodes = {"ImageFilename": str(tmp_path), "ImageFileMode": "On", "TestImageSelector": "Off"}
    nodes |= {"Width": 64, "Height": 48}  # type: ignore[dict-item]
    given = DeviceSettings(exposure_us=2000, gain=3, nodes=nodes)
    found = grabs(open_device("basler:", given), 3)
    assert [each.block for each in found] == [0, 1, 2]
    assert found[0].picture is not None
    assert found[0].picture.pixels.shape == (48, 64)
    assert set(np.unique(found[0].picture.pixels)) == {200}


@basler
def test_broken_buffers_of_a_basler_are_no_pictures(emulated: None) -> None:
    from workers.camera.devices.genicam.basler import BaslerDevice

    device = BaslerDevice("", DeviceSettings(nodes={"ForceFailedBufferCount": 2}))
    device.open()
    device._camera.ForceFailedBuffer.Execute()
    found = [device.grab(5.0) for _ in range(8)]
    device.close()
    broken = [each for each in found if each is not None and each.picture is None]
    assert len(broken) == 2
    assert "incomplete" in broken[0].why


@basler
def test_a_basler_takes_a_picture_for_each_trigger(emulated: None) -> None:
    device = open_device("basler:", DeviceSettings(trigger="hardware"))
    device.open()
    assert device.grab(0.3) is None
    device.close()
    assert len(grabs(open_device("basler:", DeviceSettings(trigger="software")), 2)) == 2


@basler
def test_a_setting_that_a_basler_does_not_take_is_named(emulated: None) -> None:
    for nodes, named in (
        ({"Colour": 1}, "nodes.Colour"),
        ({"PixelFormat": "x"}, "nodes.PixelFormat"),
    ):
        device = open_device("basler:", DeviceSettings.model_validate({"nodes": nodes}))
        with pytest.raises(SettingsError, match=rf"camera\.device\.{named}"):
            device.open()
        device.close()
    with pytest.raises(DeviceLost, match="no Basler camera 404"):
        open_device("basler:404", DeviceSettings()).open()


@basler
def test_what_is_there_is_listed_and_one_picture_is_written(
    emulated: None, cti: Path, tmp_path: Path
) -> None:
    found = [each.source for each in find_devices(DeviceSettings(cti=[cti]))]
    assert [each for each in found if each.startswith("basler:")]
    assert "genicam:VikyTL_DEV_red" in found
    preview(CameraSettings(source="basler:"), tmp_path / "look.png")
    with Image.open(tmp_path / "look.png") as picture:
        assert picture.size[0] > 100


def test_a_genicam_camera_counts_its_pictures_and_takes_nodes(cti: Path) -> None:
    given = DeviceSettings(cti=[cti], nodes={"Width": 200, "Height": 100})
    found = grabs(open_device("genicam:VikyTL_DEV_green", given), 3)
    assert found[0].picture is not None
    assert found[0].picture.pixels.shape == (100, 200, 3)
    assert len({each.block for each in found}) == 3


def test_what_a_genicam_camera_lacks_is_named(cti: Path) -> None:
    with pytest.raises(SettingsError, match=r"camera\.device\.cti: name the producers"):
        open_device("genicam:", DeviceSettings())
    nobody = open_device("genicam:nobody", DeviceSettings(cti=[cti]))
    with pytest.raises(DeviceLost, match="VikyTL_DEV_red"):
        nobody.open()
    nobody.close()
    device = open_device("genicam:", DeviceSettings(cti=[cti], nodes={"Nothing": 1}))
    with pytest.raises(SettingsError, match=r"camera\.device\.nodes\.Nothing"):
        device.open()
    device.close()


def video(file: Path, count: int = 5) -> Path:
    import av

    with av.open(str(file), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for number in range(count):
            pixels = np.full((48, 64, 3), 40 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file


def test_a_video_is_played_to_its_end(tmp_path: Path) -> None:
    device = open_device(f"video:{video(tmp_path / 'line.avi')}", DeviceSettings())
    device.open()
    shades = []
    with pytest.raises(VideoEnded):
        while grab := device.grab(1):
            assert grab.picture is not None
            assert grab.picture.pixels.shape == (48, 64, 3)
            shades.append(round(float(grab.picture.pixels.mean()) / 40))
    device.close()
    assert shades == list(range(5))


@pytest.mark.parametrize(
    "source",
    ["video:nowhere.mp4", "/dev/video77", "rtsp://127.0.0.1:9/main", "http://127.0.0.1:9/x"],
)
def test_a_stream_that_is_not_there_is_lost_and_named(source: str) -> None:
    with pytest.raises(DeviceLost, match=source.removeprefix("video:")):
        open_device(source, DeviceSettings(timeout_s=1)).open()


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.delitem(sys.modules, "workers.camera.devices.video", raising=False)
    with pytest.raises(SettingsError, match="install the extra `video`"):
        open_device("video:x.mp4", DeviceSettings())


@basler
@pytest.mark.parametrize(
    ("name", "kind", "dtype", "dimensions"),
    [
        ("Mono8", "gray8", np.uint8, 2),
        ("Mono12", "gray16", np.uint16, 2),
        ("BayerRG8", "rgb8", np.uint8, 3),
        ("RGB8Packed", "rgb8", np.uint8, 3),
    ],
)
def test_a_basler_tells_its_pixels_and_keeps_their_depth(
    emulated: None, name: str, kind: str, dtype: type, dimensions: int
) -> None:
    given = DeviceSettings(
        nodes={"PixelFormat": name}, region=(16, 8, 64, 48), encoding="raw", counter="block"
    )
    (found,) = grabs(open_device("basler:", given), 1)
    assert found.picture is not None
    pixels = found.picture.pixels
    assert (pixels.dtype, pixels.ndim, pixels.shape[:2]) == (dtype, dimensions, (48, 64))
    assert (found.pixel_format, found.count) == (name, found.block)
    sent = shot(found, given)
    assert sent.content_type.endswith(f"raw-{kind}")
    assert len(sent.data) == pixels.nbytes


@basler
def test_a_mosaic_of_a_basler_is_kept_where_it_is_wanted(emulated: None) -> None:
    given = DeviceSettings(nodes={"PixelFormat": "BayerGB12"}, demosaic=False, encoding="raw")
    (found,) = grabs(open_device("basler:", given), 1)
    assert shot(found, given).content_type.endswith("raw-bayer-gb16")


@basler
def test_what_does_not_count_on_a_basler_is_named(emulated: None) -> None:
    for counter in ("ChunkEncoderValue", "NoSuchNode"):
        device = open_device("basler:", DeviceSettings(counter=counter))
        with pytest.raises(SettingsError, match=r"camera\.device\.counter"):
            device.open()
        device.close()


@basler
def test_a_basler_without_ptp_says_nothing_of_it(emulated: None) -> None:
    device = open_device("basler:", DeviceSettings())
    device.open()
    assert device.synchronised() is None
    device.close()


@pytest.mark.skipif(importlib.util.find_spec("harvesters") is None, reason="needs `genicam`")
def test_a_genicam_camera_gives_a_region_and_tells_its_pixels(cti: Path) -> None:
    given = DeviceSettings(cti=[cti], region=(0, 0, 100, 100), counter="block")
    (found,) = grabs(open_device("genicam:", given), 1)
    assert found.picture is not None
    assert found.picture.pixels.shape[:2] == (100, 100)
    assert found.pixel_format
    assert found.count == found.block


def test_usb_cameras_are_listed_once_each_by_their_names(tmp_path: Path) -> None:
    for number, index in ((0, 0), (1, 1), (10, 0), (2, 0)):
        place = tmp_path / f"video{number}"
        place.mkdir()
        (place / "index").write_text(f"{index}\n")
        (place / "name").write_text(f"Cam {number}\n")
    (tmp_path / "video2" / "name").unlink()  # unplugged while we look
    assert find(tmp_path) == [
        Found("/dev/video0", "Cam 0 (V4L2)"),
        Found("/dev/video10", "Cam 10 (V4L2)"),
    ]
    assert find(tmp_path / "nothing") == []
