"""What the camera process can be told."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.part import MOST_ATTRIBUTES, AttributeName, PartText
from stream_inspector.synthetic import DEFECT_KINDS
from workers.runtime.names import Name
from workers.runtime.settings.process import ProcessSettings, Section
from workers.runtime.settings.shares import Share

SYNTHETIC = "synthetic"
WATCH = "watch:"
_LIVE = (
    *(WATCH, "video:", "basler:", "genicam:", "aravis:"),
    *("rtsp://", "rtsps://", "http://", "https://", "/dev/video"),
)
CameraId = Annotated[str, Field(min_length=1, max_length=256)]
Size = Annotated[int, Field(ge=0, le=65_536)]
_PNG_OVERHEAD = 64 * 1024  # bytes that a PNG may need beyond its raw pixels


class SyntheticSettings(Section):
    """The rendered product."""

    seed: int = Field(default=0, ge=0, description="the same seed renders the same frames")
    first_index: int = Field(default=0, ge=0, description="number of the first part")
    defect_share: Share = Field(default=0.2, description="share of defective parts")
    kinds: list[str] = Field(
        default=list(DEFECT_KINDS), min_length=1, description="kinds of defect to draw from"
    )
    width: int = Field(default=256, ge=32, le=4096, description="pixels")
    height: int = Field(default=256, ge=32, le=4096, description="pixels")
    encoding: Literal["png", "jpeg"] = Field(default="png", description="how frames are encoded")
    jpeg_quality: int = Field(default=92, ge=1, le=100, description="for encoding: jpeg")

    @model_validator(mode="after")
    def _known_kinds(self) -> Self:
        unknown = set(self.kinds) - set(DEFECT_KINDS)
        if unknown:
            allowed = ", ".join(DEFECT_KINDS)
            raise ValueError(f"kinds: unknown {', '.join(sorted(unknown))}; allowed: {allowed}")
        return self


class SpoolSettings(Section):
    """Where frames wait while the broker is away."""

    max_bytes: int = Field(default=256 * 2**20, ge=2**20, description="memory for waiting frames")
    when_full: Literal["block", "drop-oldest", "drop-newest"] = Field(
        default="block", description="block: stop capturing; drop-*: lose frames, counted"
    )
    drain_s: float = Field(default=10, ge=0, description="how long a stopping camera still sends")
    batch_bytes: int = Field(default=2**20, ge=1, description="frames sent together, in bytes")
    retry_initial_s: float = Field(default=0.2, gt=0, description="first pause after a failure")
    retry_max_s: float = Field(default=5, gt=0, description="longest pause between attempts")


class PartSettings(Section):
    """Who the parts are: said here, by a file of the plant, the file's name, or beside it.

    What comes later in this list wins; a device's counter gives the id where nothing else does.
    """

    id: PartText | None = Field(default=None, description="the part's id; of a single part only")
    serial: PartText | None = Field(default=None, description="its serial number, likewise")
    lot: PartText | None = Field(default=None, description="the lot or batch")
    recipe: PartText | None = Field(default=None, description="what the machine is set to")
    shift: PartText | None = Field(default=None, description="who works, or when")
    view: PartText | None = Field(
        default=None, description="which of several pictures of a part this camera takes"
    )
    attributes: dict[AttributeName, PartText] = Field(
        default={}, max_length=MOST_ATTRIBUTES, description="anything else, name -> text"
    )
    file: Path | None = Field(
        default=None,
        description="JSON that the plant writes, with these names; read anew when it changes",
    )
    pattern: str | None = Field(
        default=None,
        description="regular expression found in the file's path, with named groups: id, serial, "
        "..., others are attributes, e.g. '(?P<serial>SN[0-9]+)_(?P<view>[a-z]+)'",
    )
    sidecar: str | None = Field(
        default=None,
        pattern=r"^\.[A-Za-z0-9.]{1,20}$",
        description="suffix of a JSON file beside each picture, e.g. .json for part.png and "
        "part.json",
    )
    sidecar_wait_s: float = Field(
        default=5.0, ge=0, description="a watched picture waits so long for its sidecar"
    )

    @model_validator(mode="after")
    def _has_groups(self) -> Self:
        if self.pattern is None:
            return self
        try:
            groups = re.compile(self.pattern).groupindex
        except re.error as error:
            raise ValueError(f"pattern: {error}") from None
        if not groups:
            raise ValueError("pattern: name what is found, e.g. (?P<serial>SN[0-9]+)")
        return self


class DeviceSettings(Section):
    """A real camera: how it takes pictures, and what becomes of them."""

    exposure_us: float | None = Field(
        default=None, gt=0, description="microseconds; empty: as it is"
    )
    gain: float | None = Field(default=None, ge=0, description="in its own unit; empty: as it is")
    trigger: Literal["free", "hardware", "software"] = Field(
        default="free",
        description="hardware: a picture for each signal on trigger_line; software: as fast as "
        "they are asked for",
    )
    trigger_line: str = Field(default="Line1", min_length=1, description="for trigger: hardware")
    nodes: dict[str, bool | int | float | str] = Field(
        default={},
        description="any other GenICam node -> its value, e.g. {PixelFormat: Mono8}; of a stream "
        "FFmpeg's options, e.g. {video_size: 1280x720}",
    )
    cti: list[Path] = Field(
        default=[], description="GenTL producers (.cti) of the makers, for genicam: sources"
    )
    counter: str | None = Field(
        default=None,
        min_length=1,
        description="what counts the parts, for their ids: block (its own count of pictures), or "
        "a chunk or node of the camera, e.g. ChunkCounterValue, ChunkEncoderValue",
    )
    counter_step: int = Field(
        default=1, ge=1, description="counts from one part to the next, e.g. of an encoder"
    )
    counter_wraps_at: int | None = Field(
        default=None,
        ge=2,
        description="a count that goes on from 0 behind so many, e.g. 65536 of an encoder of 16 "
        "bits; the parts' numbers go on; empty: it does not",
    )
    region: tuple[Size, Size, Size, Size] | None = Field(
        default=None,
        description="[x, y, width, height] in pixels: the part of its picture that the camera "
        "gives; of a stream it is cut here; empty: as it is",
    )
    encoding: Literal["png", "png-fast", "raw", "jpeg"] = Field(
        default="png",
        description="of its pictures: png, png-fast and raw lose nothing, raw costs no time; "
        "docs/cameras.md has what each costs",
    )
    jpeg_quality: int = Field(default=92, ge=1, le=100, description="for encoding: jpeg")
    demosaic: bool = Field(
        default=True,
        description="a Bayer mosaic becomes RGB here; false: it is sent as it is, a third of the "
        "bytes, with encoding: raw",
    )
    timeout_s: float = Field(default=5.0, gt=0, description="give up on one answer of a stream")
    retry_initial_s: float = Field(default=0.5, gt=0, description="first pause after it was lost")
    retry_max_s: float = Field(default=10.0, gt=0, description="longest pause between attempts")

    def of_cameras_alone(self) -> str | None:
        """A setting that was given, and that only a camera with nodes can take."""
        for name in ("exposure_us", "gain", "counter"):
            if getattr(self, name) is not None:
                return name
        return "trigger" if self.trigger != "free" else None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not self.demosaic and self.encoding != "raw":
            raise ValueError("demosaic: a Bayer mosaic is kept by encoding: raw alone")
        if self.region is not None and 0 in self.region[2:]:
            raise ValueError("region: [x, y, width, height], the last two of at least 1 pixel")
        return self


class CameraSettings(Section):
    """Which cameras are played, from what, and how fast."""

    source: str = Field(
        default=SYNTHETIC,
        min_length=1,
        description="a folder, a glob pattern, watch:FOLDER, video:FILE, rtsp://..., /dev/video0, "
        "basler:SERIAL, genicam:ID, aravis:ID, or: synthetic",
    )
    category: Name = Field(default="flange", description="product category of the frames")
    categories: dict[str, Name] = Field(
        default={}, description="camera id -> its category; the others have `category`"
    )
    ids: list[CameraId] = Field(default=[], description="camera ids; empty: cam-1 .. cam-<count>")
    count: int = Field(default=1, ge=1, le=1000, description="cameras to play when ids is empty")
    rate: float = Field(default=5, ge=0, description="frames/s of each camera; 0: no pause")
    frames: int = Field(default=0, ge=0, description="stop after this many in all; 0: no limit")
    loop: bool = Field(default=False, description="start the files again at their end")
    shuffle: bool = Field(default=False, description="mix the files (always the same way)")
    partitions: dict[str, int] = Field(
        default={}, description="camera id -> partition; others go by the hash of their id"
    )
    sent_log: Path | None = Field(
        default=None, description="JSON-lines file, written before each send"
    )
    progress_s: float = Field(default=5, gt=0, description="seconds between progress lines")
    settle_s: float = Field(
        default=0.5, gt=0, description="a watched file that does not change for so long is whole"
    )
    part: PartSettings = PartSettings()
    device: DeviceSettings = DeviceSettings()
    synthetic: SyntheticSettings = SyntheticSettings()
    spool: SpoolSettings = SpoolSettings()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.camera_ids)) != len(self.camera_ids):
            raise ValueError("ids: a camera id is given twice; its sequence would be mixed up")
        for name, given in (("partitions", self.partitions), ("categories", self.categories)):
            unknown = set(given) - set(self.camera_ids)
            if unknown:
                raise ValueError(f"{name}: {', '.join(sorted(unknown))} is no camera of this one")
        if self.live and len(self.camera_ids) != 1:
            raise ValueError(f"source: {self.source} is one camera: give one id, count 1")
        if self.streams and (alone := self.device.of_cameras_alone()):
            raise ValueError(f"device.{alone}: {self.source} is a stream, which takes none")
        if any(partition < 0 for partition in self.partitions.values()):
            raise ValueError("partitions: a partition is counted from 0")
        return self

    @property
    def live(self) -> bool:
        """Whether pictures come by themselves: no list of files, and nothing rendered."""
        return self.source.startswith(_LIVE)

    @property
    def streams(self) -> bool:
        """Whether pictures come as a video: a stream, a USB camera, a file."""
        return self.live and not self.real and not self.source.startswith(WATCH)

    @property
    def real(self) -> bool:
        """Whether a device takes the pictures, which may have a clock of its own."""
        return self.source.startswith(("basler:", "genicam:", "aravis:"))

    def category_of(self, camera_id: str) -> str:
        """What a camera looks at."""
        return self.categories.get(camera_id, self.category)

    @property
    def camera_ids(self) -> tuple[str, ...]:
        """The cameras that this process plays."""
        return tuple(self.ids) or tuple(f"cam-{number + 1}" for number in range(self.count))


class CameraProcessSettings(ProcessSettings):
    """Everything the camera process can be told."""

    camera: CameraSettings = CameraSettings()

    @model_validator(mode="after")
    def _frames_fit(self) -> Self:
        spool, limit = self.camera.spool.max_bytes, self.kafka.max_frame_bytes
        if spool < limit:
            raise ValueError(
                f"camera.spool.max_bytes ({spool}) must hold a frame of "
                f"kafka.max_frame_bytes ({limit})"
            )
        synthetic = self.camera.synthetic
        largest = synthetic.width * synthetic.height * 3 + _PNG_OVERHEAD
        if self.camera.source == SYNTHETIC and largest > limit:
            raise ValueError(
                f"camera.synthetic: {synthetic.width}x{synthetic.height} may need {largest} bytes, "
                f"more than kafka.max_frame_bytes ({limit})"
            )
        return self
