"""The inspection worker's settings."""

import os
import socket
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from workers.runtime.categories import CategoriesSection, Category, read_categories
from workers.runtime.decoders.settings import ImagesSection
from workers.runtime.detectors.settings import ModelsSection
from workers.runtime.errors import SettingsError
from workers.runtime.settings.process import ProcessSettings, Section
from workers.runtime.settings.shares import AsShare


class WorkerSection(Section):
    """Threads, batching and limits."""

    id: str | None = Field(default=None, description="name in messages; default: host and pid")
    group: str = Field(default="inspectors", description="the Kafka consumer group")
    delivery: Literal["auto", "exactly-once", "at-least-once"] = Field(
        default="auto", description="auto: exactly-once wherever the broker can; docs/delivery.md"
    )
    transactional_id: str | None = Field(
        default=None,
        description="a name that survives restarts and that no other worker has: what a killed "
        "worker left open is then aborted at once; default: random",
    )
    threads: int = Field(
        default=2,
        ge=1,
        description="processes that decode, and as many threads for messages",
    )
    batch_max: int = Field(default=8, ge=1, description="frames per batch")
    batch_age_ms: int = Field(
        default=10,
        ge=0,
        description="a batch leaves when its oldest is so; while one is in work the next one grows",
    )
    in_flight_mb: int = Field(default=256, ge=1, description="from poll to publication; then pause")
    in_flight_frames: int = Field(
        default=128, ge=1, description="the same in frames; a crash repeats at most these"
    )
    commit_interval_ms: int = Field(
        default=200, ge=0, description="at-least-once: positions are stored so often"
    )
    drain_s: float = Field(default=20.0, ge=0, description="finish what is in work after SIGTERM")
    frame_deadline_s: float = Field(
        default=120.0,
        gt=0,
        description="a batch that the device works on for longer hangs: the process ends",
    )
    crash_attempts: int = Field(
        default=2,
        ge=1,
        description="a frame that kills a process of its own so often becomes a dead letter",
    )


class BreakerSection(Section):
    """Holds back a camera that sends junk; rests when most cameras fail: then the fault is ours."""

    share: Annotated[float, AsShare] = Field(
        default=0.5, gt=0, le=1, description="of a camera's frames rejected that is too much"
    )
    window_s: float = Field(default=60.0, gt=0, description="for so long")
    min_frames: int = Field(default=20, ge=1, description="fewer decide nothing")
    rest_s: float = Field(
        default=60.0,
        gt=0,
        description="reject the camera's frames unseen for so long, then try; where most cameras "
        "fail, read nothing for so long",
    )


class InspectorSettings(ProcessSettings):
    """Everything that `stream-inspector worker` can be told."""

    worker: WorkerSection = WorkerSection()
    models: ModelsSection = ModelsSection()
    images: ImagesSection = ImagesSection()
    categories: CategoriesSection = CategoriesSection()
    breaker: BreakerSection = BreakerSection()

    @model_validator(mode="after")
    def _session_covers_heartbeats(self) -> Self:
        if self.kafka.heartbeat_interval_ms * 3 > self.kafka.session_timeout_ms:
            raise ValueError("kafka.heartbeat_interval_ms must be at most a third of the session")
        return self

    @property
    def worker_id(self) -> str:
        """The name of this worker in messages."""
        return self.worker.id or f"{socket.gethostname()}-{os.getpid()}"


def known_categories(section: CategoriesSection) -> dict[str, Category]:
    """The categories that this worker inspects. Raises SettingsError when there are none."""
    found = read_categories(section)
    if not found:
        raise SettingsError(
            "no category is configured: add <category>.yaml to categories.folder "
            f"({section.folder or 'not set'}) or set categories.names"
        )
    return found
