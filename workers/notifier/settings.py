"""What the notifier can be told."""

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from workers.runtime.settings.process import ProcessSettings, Section


def _as_list(value: Any) -> Any:
    """A plain URL, or a list as JSON. Never refused here: a refusal would print a secret."""
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value)
    except ValueError:
        return [value]
    return found if isinstance(found, list) else [value]


class RuleSettings(Section):
    """When people are told."""

    window_s: float = Field(
        default=30, gt=0, description="events of one camera and cause within it are one group"
    )
    escalate_after: int = Field(
        default=10, ge=1, description="this many in a window raise the severity to critical"
    )
    max_windows: int = Field(default=1000, ge=1, description="open groups held in memory")
    remember_events: int = Field(
        default=100_000, ge=1, description="event ids by which a repeated delivery is recognised"
    )


class WatchSettings(Section):
    """How cameras are watched through the outcomes of their frames."""

    silent_after_s: float = Field(
        default=60, ge=0, description="a camera without outcomes for so long is silent; 0: off"
    )
    expected_cameras: list[str] = Field(
        default=[], description="cameras that must be heard of after the start"
    )
    gap_grace_s: float = Field(
        default=5, ge=0, description="a missing frame may still arrive for so long"
    )
    max_cameras: int = Field(default=1000, ge=1, description="cameras watched at a time")


class DeliverySettings(Section):
    """Where alarms go, and what happens when a channel does not take them."""

    console: bool = Field(default=True, description="print alarms on standard output")
    topic: bool = Field(default=True, description="publish alarms on the alarms topic")
    file: Path | None = Field(default=None, description="append alarms as JSON lines")
    apprise_urls: Annotated[list[SecretStr], NoDecode, BeforeValidator(_as_list)] = Field(
        default=[], description="Apprise URLs: json://, mailto://, mqtt://, chat services"
    )
    attempts: int = Field(default=3, ge=1, description="tries before an alarm is kept on disk")
    attempt_pause_s: float = Field(default=0.2, gt=0, description="first pause between tries")
    retry_initial_s: float = Field(default=2, gt=0, description="first pause of a failed channel")
    retry_max_s: float = Field(default=60, gt=0, description="longest pause of a failed channel")
    undelivered_max_bytes: int = Field(
        default=16 * 2**20, ge=1024, description="per channel; beyond it the oldest are given up"
    )


class NotifierSettings(Section):
    """The notifier's own settings."""

    group: str = Field(
        default="stream-inspector-notifier", min_length=1, description="the Kafka consumer group"
    )
    from_beginning: bool = Field(
        default=True, description="where nothing is committed yet: read what the topics still hold"
    )
    folder: Path = Field(
        default=Path("runs/notifier"), description="undelivered alarms and the watch's memory"
    )
    commit_every_s: float = Field(default=1, ge=0, description="positions are stored so often")
    rules: RuleSettings = RuleSettings()
    watch: WatchSettings = WatchSettings()
    delivery: DeliverySettings = DeliverySettings()


class NotifierProcessSettings(ProcessSettings):
    """Everything the notifier can be told."""

    notifier: NotifierSettings = NotifierSettings()
