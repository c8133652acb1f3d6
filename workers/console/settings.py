"""What `stream-inspector console` can be told."""

from datetime import time, timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, StringConstraints, model_validator

from workers.runtime.settings.base import Section
from workers.runtime.settings.process import ProcessSettings
from workers.runtime.settings.shares import Rate
from workers.runtime.settings.zones import ZoneName

Role = Literal["viewer", "operator", "engineer"]
UserName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\s:]+$")]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")]


class UserSettings(Section):
    """Somebody who may log in."""

    role: Role = Field(default="viewer", description="what the user may do")
    password_hash: SecretStr = Field(
        default=SecretStr(""), description="as `stream-inspector console-password` prints it"
    )


class ProxySettings(Section):
    """A proxy in front that has done the login (OIDC and the like)."""

    trusted: tuple[IPv4Network | IPv6Network, ...] = Field(
        default=(), description="addresses whose headers are believed, e.g. [10.0.0.7/32]"
    )
    user_header: HeaderName = Field(
        default="X-Forwarded-User", description="header with the user's name"
    )
    groups_header: HeaderName = Field(
        default="X-Forwarded-Groups", description="header with groups, comma separated"
    )
    viewers: tuple[str, ...] = Field(default=(), description='groups that may look; "*": everybody')
    operators: tuple[str, ...] = Field(default=(), description="groups that may judge too")
    engineers: tuple[str, ...] = Field(default=(), description="groups that may do everything")


class AccessSettings(Section):
    """Who may do what."""

    users: dict[UserName, UserSettings] = Field(
        default={}, description="name -> role and password_hash"
    )
    proxy: ProxySettings = ProxySettings()
    read_without_login: bool = Field(
        default=False, description="true: everybody who reaches the port may look, nobody may act"
    )
    session_hours: float = Field(default=12.0, gt=0, le=24 * 31, description="then log in again")
    attempts: int = Field(
        default=5, ge=1, le=1000, description="failed logins of a name or an address in a minute"
    )

    @model_validator(mode="after")
    def _hashes(self) -> Self:
        without = [n for n, u in self.users.items() if not u.password_hash.get_secret_value()]
        if without:
            raise ValueError(
                f"users.{without[0]}.password_hash is missing: `stream-inspector "
                "console-password` makes one"
            )
        return self


ShiftName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")]


class ReportSettings(Section):
    """When shifts are, and where their reports go."""

    shifts: dict[ShiftName, time] = Field(
        default={},
        max_length=24,
        description="name -> start, HH:MM quoted; each lasts until the next: "
        "{early: '06:00', late: '14:00', night: '22:00'}; none: one of a whole day",
    )
    zone: ZoneName = Field(default="UTC", description="of their starts, e.g. Europe/Berlin")
    url: str | None = Field(
        default=None,
        description="a folder or an fsspec URL: each shift's report is written there when it is "
        "over, as PDF and HTML; default: only by hand",
    )
    wait_s: float = Field(
        default=120.0, ge=0, le=3600, description="after a shift's end, for what is still read"
    )
    font: Path | None = Field(
        default=None, description="TrueType, for a PDF in another script than Latin-1"
    )

    @property
    def starts(self) -> dict[str, time]:
        """Name -> when a shift begins; no default of the field, which would be merged."""
        return self.shifts or {"day": time(0)}

    @property
    def wait(self) -> timedelta:
        """From a shift's end to its report."""
        return timedelta(seconds=self.wait_s)

    @model_validator(mode="after")
    def _starts(self) -> Self:
        if any(start.tzinfo is not None for start in self.shifts.values()):
            raise ValueError("shifts: a time of day without a zone; the zone is report.zone")
        if len(set(self.shifts.values())) < len(self.shifts):
            raise ValueError("shifts: two begin at the same time")
        return self


class AuditSettings(Section):
    """The random sample of inspected parts that people are asked about."""

    false_alarms: Rate = Field(
        default=0.05, description="share of good parts that may alarm: what is to be certified"
    )
    confidence: Rate = Field(default=0.95, description="of the certificate, and of intervals")
    days: int = Field(default=7, ge=1, description="in which reviews enough for it are gathered")
    within_h: float = Field(
        default=24.0, gt=0, le=47, description="parts are asked about so long: frames are kept"
    )


class ConsoleSettings(Section):
    """Where it listens and what it keeps."""

    host: str = Field(
        default="127.0.0.1",
        description='address to listen on; 0.0.0.0: all of IPv4; "::": all of IPv6 and IPv4',
    )
    port: int = Field(default=8080, ge=0, le=65535, description="of the pages; 0: any free one")
    certificate_file: Path | None = Field(
        default=None, description="PEM; with it pages come by HTTPS only"
    )
    key_file: Path | None = Field(default=None, description="its private key")
    https: bool = Field(
        default=False, description="true: a proxy in front speaks HTTPS, cookies are sent so only"
    )
    database: str = Field(
        default="sqlite:///runs/console/history.sqlite3",
        description="of the history: sqlite:///FILE, or postgresql://HOST/NAME (extra "
        "`console-postgres`)",
    )
    database_password: SecretStr | None = Field(
        default=None, description="better in the environment, or as database_password_file"
    )
    database_password_file: Path | None = Field(default=None, description="holds the password")
    keep_days: float = Field(default=30.0, gt=0, description="older rows are removed")
    keep_rows: int = Field(
        default=2_000_000, ge=1000, description="outcomes that are kept; the oldest give way"
    )
    viewers: int = Field(default=50, ge=1, le=1000, description="live pages open at a time")
    picture_cache_mb: int = Field(default=64, ge=1, description="frames kept for the pages")
    lease_s: float = Field(
        default=120.0, ge=5, le=3600, description="a part is one operator's for so long"
    )
    audit: AuditSettings = AuditSettings()
    access: AccessSettings = AccessSettings()
    report: ReportSettings = ReportSettings()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file belong together: set both")
        if self.database_password and self.database_password_file:
            raise ValueError("database_password and database_password_file: leave one")
        return self

    @property
    def secure(self) -> bool:
        """Whether browsers reach it by HTTPS."""
        return self.https or self.certificate_file is not None


class EvidenceSection(Section):
    """Where workers put the pictures of defects."""

    url: str | None = Field(
        default=None, description="as the workers' evidence.url; default: no pictures of defects"
    )


class ModelStoreSection(Section):
    """Where model versions are kept."""

    store: str = Field(
        default="models", description="as the workers' models.store: a folder or an fsspec URL"
    )


class ConsoleProcessSettings(ProcessSettings):
    """Everything `stream-inspector console` can be told."""

    console: ConsoleSettings = ConsoleSettings()
    evidence: EvidenceSection = EvidenceSection()
    models: ModelStoreSection = ModelStoreSection()
