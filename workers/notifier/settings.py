"""What the notifier can be told."""

import json
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from schemas.alarm import AlarmKind, Severity
from workers.runtime.evidence.settings import EvidenceSection
from workers.runtime.settings.process import ProcessSettings, Section
from workers.runtime.settings.zones import ZoneName


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
    cameras_named: int = Field(
        default=10,
        ge=1,
        description="cameras that are told of one by one when the same happens to many at a time; "
        "the others share an alarm (several-cameras): silence, gaps, contradictions; not defects",
    )


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_WEEK: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class PauseSettings(Section):
    """A time of the week at which cameras may rest."""

    days: list[Day] = Field(default=list(_WEEK), min_length=1, description="on which it starts")
    start: time = Field(default=time(0), description="HH:MM, quoted in YAML")
    end: time = Field(default=time(0), description="HH:MM; not after start: on the next day")
    cameras: list[str] = Field(
        default=["*"], min_length=1, description="camera ids, or patterns like line-1-*"
    )

    @field_validator("start", "end")
    @classmethod
    def _local(cls, value: time) -> time:
        if value.tzinfo is not None:
            raise ValueError("a time of day without a zone; the zone is notifier.watch.zone")
        return value


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
    max_cameras: int = Field(
        default=1000, ge=1, description="cameras watched at a time beside the expected ones"
    )
    max_newcomers: int = Field(
        default=1000, ge=1, description="camera ids with fewer than 10 frames that are kept"
    )
    max_rate: float = Field(
        default=1000,
        gt=0,
        le=1_000_000,
        description="frames/s that a camera can take; a jump in its numbers beyond is no gap",
    )
    clock_ahead_s: float = Field(
        default=300, ge=0, description="a camera's clock may be so far ahead of a worker's"
    )
    clock_behind_s: float = Field(
        default=172_800, ge=0, description="... and behind, the wait on the topic included"
    )
    remember_frames: int = Field(
        default=100_000, ge=1, description="frame ids by which one that is used again is recognised"
    )
    planned_pauses: list[PauseSettings] = Field(
        default=[],
        max_length=1000,
        description="when cameras may be silent: "
        "[{days: [sat, sun], start: '06:00', end: '22:00', cameras: [line-1-*]}]",
    )
    zone: ZoneName = Field(default="UTC", description="of planned_pauses, e.g. Europe/Berlin")


class RouteSettings(Section):
    """Which alarms a channel gets. An empty list: all."""

    cameras: list[str] = Field(default=[], description="camera ids, as patterns: line-1-*")
    categories: list[str] = Field(default=[], description="categories, as patterns")
    causes: list[str] = Field(default=[], description="causes, as patterns: defect, camera-*")
    kinds: list[AlarmKind] = Field(default=[], description="kinds of alarms")
    parts: dict[str, list[str]] = Field(
        default={},
        description="id, serial, lot, recipe, shift, view or an attribute of the part -> patterns; "
        "all of them have to fit one part of the alarm",
    )
    min_severity: Severity = Field(
        default=next(iter(Severity)), description="nothing that is less severe"
    )


class ChannelSettings(RouteSettings):
    """A named channel: an Apprise URL, and which alarms it gets."""

    url: SecretStr | None = Field(default=None, description="an Apprise URL, or give url_file")
    url_file: Path | None = Field(default=None, description="a file with the URL alone")
    digest: bool = Field(
        default=True, description="many waiting alarms of one cause become one message"
    )

    @model_validator(mode="after")
    def _one_url(self) -> Self:
        if (self.url is None) == (self.url_file is None):
            raise ValueError("give one of url and url_file")
        return self


ChannelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]


class DeliverySettings(Section):
    """Where alarms go, and what happens when a channel does not take them."""

    console: bool = Field(default=True, description="print alarms on standard output")
    topic: bool = Field(default=True, description="publish alarms on the alarms topic")
    file: Path | None = Field(default=None, description="append alarms as JSON lines")
    apprise_urls: Annotated[list[SecretStr], NoDecode, BeforeValidator(_as_list)] = Field(
        default=[], description="Apprise URLs: json://, mailto://, mqtt://, chat services"
    )
    channels: dict[ChannelName, ChannelSettings] = Field(
        default={},
        description="name -> url or url_file (**secret**), cameras, categories, causes, kinds, "
        "parts, min_severity, digest",
    )
    routes: dict[str, RouteSettings] = Field(
        default={},
        description="channel (console, topic, file, an Apprise URL's name in the log) -> cameras, "
        "categories, causes, kinds, parts, min_severity; a channel without a rule gets every alarm",
    )
    pictures: str | None = Field(
        default=None,
        description="the evidence store, a folder or an fsspec URL: mails and chats get the "
        "picture of an alarm attached; default: its link alone",
    )
    timeout_s: float = Field(default=20, gt=0, description="a channel that takes longer hangs")
    attempts: int = Field(default=3, ge=1, description="tries before a channel counts as away")
    attempt_pause_s: float = Field(default=0.2, gt=0, description="first pause between tries")
    retry_initial_s: float = Field(default=2, gt=0, description="first pause of a failed channel")
    retry_max_s: float = Field(default=60, gt=0, description="longest pause of a failed channel")
    digest_from: int = Field(
        default=5, ge=2, description="so many waiting alarms of one cause become one message"
    )
    drain_s: float = Field(
        default=5, ge=0, description="at the end channels have so long for what waits"
    )
    undelivered_max_bytes: int = Field(
        default=16 * 2**20,
        ge=1024,
        description="of waiting alarms per channel; beyond it the lowest-ranked are given up",
    )


class NotifierSettings(Section):
    """The notifier's own settings."""

    group: str = Field(
        default="stream-inspector-notifier", min_length=1, description="the Kafka consumer group"
    )
    from_beginning: bool = Field(
        default=True, description="where nothing is committed yet: read what the topics still hold"
    )
    max_age_s: float = Field(
        default=86_400,
        gt=0,
        le=10**9,
        description="where nothing is committed and nothing remembered: older events are passed "
        "over, so that a group whose positions are lost does not tell a month again",
    )
    folder: Path = Field(
        default=Path("runs/notifier"),
        description="alarms that wait or were refused, what was told, what was set aside, the "
        "watch's memory",
    )
    aside_max_bytes: int = Field(
        default=4 * 2**20, ge=1024, description="of aside.jsonl; the one before it is kept too"
    )
    picture_wait_s: float = Field(
        default=10.0,
        ge=0,
        le=3600,
        description="a defect's alarm waits so long for its explanation, then goes without a "
        "picture; 0: never",
    )
    commit_every_s: float = Field(default=1, ge=0, description="positions are stored so often")
    rules: RuleSettings = RuleSettings()
    watch: WatchSettings = WatchSettings()
    delivery: DeliverySettings = DeliverySettings()


class NotifierProcessSettings(ProcessSettings):
    """Everything the notifier can be told."""

    notifier: NotifierSettings = NotifierSettings()
    evidence: EvidenceSection = EvidenceSection()
