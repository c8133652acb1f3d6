"""Typed settings: flags over environment over YAML file over defaults, one class per process.

A wrong key or value is refused with its path, where it came from and what is allowed.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import SettingsError as UndecodableVariable

from schemas import topics
from workers.runtime.errors import SettingsError
from workers.runtime.secrets import learn, learn_url
from workers.runtime.settings.base import Section
from workers.runtime.settings.errors import (
    ENV_DELIMITER,
    ENV_PREFIX,
    Origin,
    explain_all,
    redact,
)
from workers.runtime.settings.security import KafkaSecurity, TlsSettings
from workers.runtime.settings.shares import Share
from workers.runtime.settings.yaml_file import place, read_value, read_yaml

__all__ = ["Section", "read_yaml", "redact"]  # what other modules look for here


SectionT = TypeVar("SectionT", bound=Section)


class KafkaSettings(Section):
    """How to reach the broker, and the limits that every client of it shares."""

    bootstrap_servers: str = Field(
        default="127.0.0.1:9092", description="host:port, comma separated"
    )
    connect_timeout_s: float = Field(
        default=30.0, gt=0, description="give up on the broker at start"
    )
    request_timeout_ms: int = Field(
        default=10_000, ge=1000, description="give up on one answer of the broker"
    )
    delivery_timeout_ms: int = Field(
        default=30_000, ge=2000, description="give up on one produced message"
    )
    session_timeout_ms: int = Field(
        default=10_000,
        ge=1000,
        description="a silent member is expelled after this; Kafka allows >= 6000",
    )
    heartbeat_interval_ms: int = Field(
        default=2_000, ge=100, description="at most a third of the session"
    )
    max_poll_interval_ms: int = Field(
        default=300_000, ge=1000, description="a member that does not poll for so long is expelled"
    )
    assignor: Literal["cooperative-sticky", "range"] = Field(
        default="cooperative-sticky",
        description="how a group shares partitions; the same in all members of a group",
    )
    group_instance_id: str | None = Field(
        default=None,
        pattern=r"^[a-zA-Z0-9._-]{1,249}$",
        description="static membership: a restart within the session moves no partition",
    )
    transaction_timeout_ms: int = Field(
        default=10_000,
        ge=2000,
        le=900_000,
        description="exactly-once: the broker aborts a transaction that is open for longer",
    )
    max_frame_bytes: int = Field(
        default=8 * 2**20,
        ge=1024,
        description="largest encoded frame; drives producer, topic, fetch and decode limits",
    )
    max_unpacked_bytes: int = Field(
        default=64 * 2**20,
        ge=2**20,
        description="a compressed batch that unpacks to more is passed over, and told",
    )
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = Field(
        default="none", description="of what this process writes; all of them are read"
    )
    hung_after_s: float = Field(
        default=45.0,
        gt=0,
        description="a client that has not come back for so long hangs: the process ends with 75; "
        "above the session, below the patience of a liveness probe",
    )
    security: KafkaSecurity = KafkaSecurity()

    @model_validator(mode="after")
    def _hangs_after_the_session(self) -> Self:
        session_s = self.session_timeout_ms / 1000
        if self.hung_after_s <= session_s:
            raise ValueError(
                f"kafka.hung_after_s ({self.hung_after_s:g}) must be above "
                f"kafka.session_timeout_ms ({session_s:g} s): a rebalance may take as long"
            )
        return self

    @property
    def publication_s(self) -> float:
        """All timeouts of one publication (seconds)."""
        return (2 * self.delivery_timeout_ms + self.request_timeout_ms) / 1000


class RedisSettings(Section):
    """The cache of model state."""

    url: str = Field(
        default="redis://127.0.0.1:6379/0", description="redis://, rediss:// or unix://"
    )
    timeout_s: float = Field(default=5.0, gt=0, description="give up on one answer of Redis")
    connect_timeout_s: float = Field(default=30.0, gt=0, description="give up on Redis at start")
    username: str | None = Field(default=None, description="of Redis's access control list")
    password: SecretStr | None = Field(
        default=None, description="better in the environment, or as password_file"
    )
    password_file: Path | None = Field(default=None, description="holds the password")
    tls: TlsSettings = Field(default=TlsSettings(), description="for rediss://")
    cache_mb: int = Field(
        default=2048, ge=0, description="of model versions; the longest unused give way"
    )

    @property
    def cache_bytes(self) -> int:
        """The bound on cached model versions."""
        return self.cache_mb * 2**20


class TopicSettings(Section):
    """Topic names."""

    frames: str = Field(default=topics.FRAMES.name, description="pictures from the cameras")
    outcomes: str = Field(default=topics.OUTCOMES.name, description=topics.OUTCOMES.why)
    shadows: str = Field(default=topics.SHADOWS.name, description=topics.SHADOWS.why)
    defects: str = Field(default=topics.DEFECTS.name, description=topics.DEFECTS.why)
    dead_letters: str = Field(default=topics.DEAD_LETTERS.name, description=topics.DEAD_LETTERS.why)
    resolutions: str = Field(default=topics.RESOLUTIONS.name, description=topics.RESOLUTIONS.why)
    camera_states: str = Field(
        default=topics.CAMERA_STATES.name, description=topics.CAMERA_STATES.why
    )
    reviews: str = Field(default=topics.REVIEWS.name, description=topics.REVIEWS.why)
    alarms: str = Field(default=topics.ALARMS.name, description=topics.ALARMS.why)
    partitions: int = Field(default=4, ge=1, description="for topics this process has to create")
    create: bool = Field(default=True, description="create missing topics at start")

    def names(self) -> tuple[str, ...]:
        """All topics of the stage."""
        return tuple(getattr(self, topic.name.replace("-", "_")) for topic in topics.TOPICS)


Level = Literal["debug", "info", "warning", "error"]
TELLING_LOGGERS = ("kafka.net", "kafka.protocol")  # at debug they print requests and passwords


class LogSettings(Section):
    """What is logged, and how."""

    level: Level = Field(default="info", description="the least that is shown")
    levels: dict[str, Level] = Field(
        default={},
        description="logger -> level, for it and what is below it: "
        "{workers.inspector: debug, kafka: info}",
    )
    format: Literal["console", "json"] = Field(
        default="console", description="json: one object a line, for machines"
    )
    repeats: int = Field(
        default=50,
        ge=0,
        description="lines of the same event that are shown in a minute; the others are counted; "
        "0: show all",
    )

    @field_validator("levels")
    @classmethod
    def _no_passwords(cls, levels: dict[str, Level]) -> dict[str, Level]:
        for name, level in levels.items():
            telling = any(f"{name}.".startswith(f"{each}.") for each in TELLING_LOGGERS)
            if telling and level == "debug":
                raise ValueError(f"{name} prints passwords at debug; info is its lowest level")
        return levels


class HealthSettings(Section):
    """The HTTP port of /livez, /readyz and /metrics."""

    port: int = Field(default=0, ge=0, le=65535, description="0: off")
    host: str = Field(
        default="127.0.0.1",
        description='address to listen on; 0.0.0.0: all of IPv4; "::": all of IPv6 and IPv4',
    )


class TracingSettings(Section):
    """Where spans go (extra `tracing`)."""

    endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="OTLP over HTTP, e.g. http://collector:4318/v1/traces; default: no tracing",
    )
    sample_share: Share = Field(
        default=0.01,
        description="of the traces that begin in this process; others follow who began them",
    )


class ProcessSettings(BaseSettings):
    """The settings that every process has. A process adds sections of its own."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter=ENV_DELIMITER,
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )
    _file: ClassVar[Path | None] = None

    kafka: KafkaSettings = KafkaSettings()
    redis: RedisSettings = RedisSettings()
    topics: TopicSettings = TopicSettings()
    log: LogSettings = LogSettings()
    health: HealthSettings = HealthSettings()
    tracing: TracingSettings = TracingSettings()

    @classmethod
    def load(cls, file: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Self:
        """Read the settings. `overrides` holds flags as `{"kafka.bootstrap_servers": ...}`.

        Raises SettingsError with every wrong key or value, its path and its origin.
        """
        given = {path: value for path, value in (overrides or {}).items() if value is not None}
        from_file = read_yaml(file) if file else {}
        reader = type(cls.__name__, (cls,), {"_file": file, "__module__": cls.__module__})
        try:
            settings: Self = reader(**nest(given))
        except ValidationError as error:
            origin = Origin(file, from_file, given)
            raise SettingsError("\n".join(explain_all(cls, error.errors(), origin))) from None
        except UndecodableVariable as error:
            raise SettingsError(
                f"environment {ENV_PREFIX}...: {error}; a list or mapping is given as JSON, "
                'for instance ["a", "b"]'
            ) from None
        _learn(settings)
        return settings

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  (name fixed by the library)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then environment, then the YAML file."""
        sources: tuple[PydanticBaseSettingsSource, ...] = (init_settings, env_settings)
        if cls._file is not None:
            sources += (InitSettingsSource(settings_cls, read_yaml(cls._file), True),)
        return sources


def parse_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    """`--set key.path=value` flags as overrides; values are read as YAML."""
    overrides: dict[str, Any] = {}
    for assignment in assignments:
        path, separator, text = assignment.partition("=")
        if not separator or not path:
            raise SettingsError(f"--set {assignment}: expected key.path=value")
        try:
            overrides[path.strip()] = read_value(text)
        except yaml.YAMLError as error:
            raise SettingsError(f"--set {path}: the value is not YAML: {place(error)}") from None
    return overrides


def _learn(value: Any) -> None:
    """Every secret among the settings is kept out of what this process says."""
    if isinstance(value, SecretStr):
        learn(value.get_secret_value())
    elif isinstance(value, str):
        learn_url(value)
    elif isinstance(value, BaseModel):
        _learn([getattr(value, name) for name in type(value).model_fields])
    elif isinstance(value, Mapping):
        _learn(list(value.values()))
    elif isinstance(value, list | tuple):
        for each in value:
            _learn(each)


def read_section(cls: type[SectionT], file: Path) -> SectionT:
    """A file that is one section. Raises SettingsError with the file and every wrong key."""
    content = read_yaml(file)
    try:
        return cls.model_validate(content)
    except ValidationError as error:
        origin = Origin(file, content, {})
        raise SettingsError("\n".join(explain_all(cls, error.errors(), origin))) from None


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """`{"a.b": 1}` as `{"a": {"b": 1}}`."""
    root: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, leaf = path.split(".")
        node = root
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise SettingsError(f"{path}: {parent} is given twice, as a value and as a section")
        node[leaf] = value
    return root


def flatten(settings: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting as (path, value), in the order of the class."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        path = f"{prefix}{name}"
        if isinstance(value, BaseModel):
            yield from flatten(value, f"{path}.")
        else:
            yield path, redact(value)
