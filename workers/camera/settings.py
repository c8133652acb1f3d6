"""What the camera process can be told."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stream_inspector.synthetic import DEFECT_KINDS
from workers.runtime.names import Name
from workers.runtime.settings.process import ProcessSettings, Section
from workers.runtime.settings.shares import Share

SYNTHETIC = "synthetic"
WATCH = "watch:"
_LIVE = (
    *(WATCH, "video:", "basler:", "genicam:", "rtsp://", "rtsps://"),
    *("http://", "https://", "/dev/video"),
)
CameraId = Annotated[str, Field(min_length=1, max_length=256)]
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
        default={}, description="any other GenICam node -> its value, e.g. {PixelFormat: Mono8}"
    )
    cti: list[Path] = Field(
        default=[], description="GenTL producers (.cti) of the makers, for genicam: sources"
    )
    encoding: Literal["png", "raw"] = Field(
        default="png", description="of its pictures; both lose nothing, raw costs no time"
    )
    timeout_s: float = Field(default=5.0, gt=0, description="give up on one answer of a stream")
    retry_initial_s: float = Field(default=0.5, gt=0, description="first pause after it was lost")
    retry_max_s: float = Field(default=10.0, gt=0, description="longest pause between attempts")


class CameraSettings(Section):
    """Which cameras are played, from what, and how fast."""

    source: str = Field(
        default=SYNTHETIC,
        min_length=1,
        description="a folder, a glob pattern, watch:FOLDER, video:FILE, rtsp://..., /dev/video0, "
        "basler:SERIAL, genicam:ID, or: synthetic",
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
        if any(partition < 0 for partition in self.partitions.values()):
            raise ValueError("partitions: a partition is counted from 0")
        return self

    @property
    def live(self) -> bool:
        """Whether pictures come by themselves: no list of files, and nothing rendered."""
        return self.source.startswith(_LIVE)

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
