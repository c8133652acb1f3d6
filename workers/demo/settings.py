"""What the demo can be told: the servers are its own, so only the run itself is left to choose."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from workers.runtime.decoders.settings import ImagesSection
from workers.runtime.names import Name
from workers.runtime.settings.process import LogSettings, ProcessSettings, Section

SYNTHETIC_CATEGORY = "flange"


class DemoSettings(Section):
    """One run."""

    data: Path | None = Field(
        default=None, description="a category in a known layout; empty: the rendered product"
    )
    category: Name | None = Field(default=None, description="empty: the data folder's name")
    model: Path | None = Field(default=None, description="a model folder; empty: shipped or made")
    preset: str | None = Field(
        default=None, description="empty: pixel-small when rendered, feature-fast for --data"
    )
    engine: Literal["auto", "torch", "onnxruntime", "openvino"] = Field(
        default="auto", description="auto: onnxruntime"
    )
    out: Path = Field(default=Path("runs/demo"), description="report, pictures, books, logs")
    frames: int | None = Field(
        default=None, ge=1, description="empty: 120 rendered frames, or all test images"
    )
    cameras: int = Field(default=3, ge=1, le=64, description="that are played")
    workers: int = Field(default=1, ge=1, le=16, description="inspection processes")
    rate: float = Field(default=2.0, gt=0, description="frames per second of each camera")
    poison: int = Field(default=2, ge=0, le=20, description="broken frames sent along")
    broker: Literal["embedded", "kafka"] = Field(
        default="embedded",
        description="kafka: Apache Kafka on this machine's Java, which delivers exactly once",
    )
    console: bool = Field(
        default=False, description="pages to watch, judge and search the run in a browser"
    )
    seed: int = Field(default=0, ge=0, description="of the rendered series, and of training")
    training_images: int = Field(
        default=300, ge=20, description="good frames to render when no model is shipped"
    )
    broker_bytes: int = Field(
        default=2**30, ge=2**20, description="frames the embedded broker may keep in memory"
    )
    ready_s: float = Field(default=180.0, gt=0, description="patience for a worker to be ready")
    stall_s: float = Field(
        default=60.0, gt=0, description="no outcome for so long: the missing frames count as lost"
    )


class DemoProcessSettings(ProcessSettings):
    """Everything that `stream-inspector demo` can be told."""

    demo: DemoSettings = DemoSettings()
    images: ImagesSection = ImagesSection()
    log: LogSettings = LogSettings(level="warning")  # the view is the demo's voice
