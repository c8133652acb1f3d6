"""The explainer's settings."""

import os
import socket
from typing import Literal, Self

from pydantic import Field, model_validator

from workers.runtime.decoders.settings import ImagesSection
from workers.runtime.detectors.settings import DeviceSection
from workers.runtime.evidence.settings import EvidenceSection
from workers.runtime.settings.process import ProcessSettings, Section


class ExplainerSection(Section):
    """What is explained, and what that may cost."""

    id: str | None = Field(default=None, description="name in messages; default: host and pid")
    group: str = Field(default="explainers", description="the Kafka consumer group")
    delivery: Literal["auto", "exactly-once", "at-least-once"] = Field(
        default="auto", description="auto: exactly-once wherever the broker can; docs/delivery.md"
    )
    transactional_id: str | None = Field(
        default=None,
        description="a name that survives restarts and that no other explainer has; default: "
        "random",
    )
    near_misses: bool = Field(
        default=False, description="true: explain near misses too; reads the outcomes topic"
    )
    counterparts: bool = Field(
        default=True,
        description="false: heatmap and outline only; a counterpart costs 10 to 100 times as much",
    )
    budget_s: float = Field(
        default=30.0,
        gt=0,
        description="a counterpart that takes longer is given up: its explanation is skipped",
    )
    max_age_s: float = Field(
        default=3600.0,
        gt=0,
        description="a verdict older than that gets no counterpart, so that a backlog gets shorter",
    )
    batch_max: int = Field(
        default=8, ge=1, description="verdicts of one category and model version at a time"
    )
    waiting: int = Field(default=64, ge=1, description="verdicts read ahead; then reading pauses")
    attempts: int = Field(
        default=3,
        ge=1,
        description="a verdict whose explanation ends the process so often is skipped; needs Redis",
    )
    deadline_s: float = Field(
        default=300.0, gt=0, description="a batch that takes longer hangs: the process ends with 75"
    )
    commit_interval_ms: int = Field(
        default=200, ge=0, description="at-least-once: positions are stored so often"
    )
    drain_s: float = Field(default=20.0, ge=0, description="finish what is in work after SIGTERM")
    niceness: int = Field(
        default=10,
        ge=0,
        le=19,
        description="how far it lets workers on the same machine go first, as `nice`; containers "
        "are weighed by cpu_shares or requests instead",
    )


class ExplainerSettings(ProcessSettings):
    """Everything that `stream-inspector explainer` can be told."""

    explainer: ExplainerSection = ExplainerSection()
    models: DeviceSection = DeviceSection()
    images: ImagesSection = ImagesSection(accept_damaged=True)  # the worker's verdict stands
    evidence: EvidenceSection = EvidenceSection()

    @model_validator(mode="after")
    def _session_covers_heartbeats(self) -> Self:
        if self.kafka.heartbeat_interval_ms * 3 > self.kafka.session_timeout_ms:
            raise ValueError("kafka.heartbeat_interval_ms must be at most a third of the session")
        return self

    @property
    def explainer_id(self) -> str:
        """The name of this explainer in messages."""
        return self.explainer.id or f"{socket.gethostname()}-{os.getpid()}"

    @property
    def read(self) -> tuple[str, ...]:
        """The topics whose verdicts are explained."""
        near = (self.topics.outcomes,) if self.explainer.near_misses else ()
        return (self.topics.defects, *near)
