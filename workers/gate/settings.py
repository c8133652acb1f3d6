"""What the gate can be told."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, StringConstraints, model_validator

from workers.runtime.settings.base import read_secret
from workers.runtime.settings.process import ProcessSettings, Section
from workers.runtime.settings.security import TlsSettings

CameraId = Annotated[str, StringConstraints(min_length=1, max_length=256)]
_REGISTERS = 65_536
SLOT = 8  # registers of an answer, and of what stands before them


class ModbusSettings(Section):
    """A PLC that takes answers into its holding registers (extra `gate-modbus`)."""

    host: str | None = Field(default=None, description="the PLC; empty: no Modbus")
    port: int = Field(default=502, ge=1, le=65535, description="its port")
    unit: int = Field(default=1, ge=0, le=255, description="its unit id")
    first_register: int = Field(
        default=0,
        ge=0,
        lt=_REGISTERS,
        description="of the holding registers that are written, from 0",
    )
    slots: int = Field(
        default=16, ge=1, le=1000, description="answers of a camera that stand side by side"
    )
    timeout_s: float = Field(default=1.0, gt=0, description="give up on one answer of the PLC")


class _Login(Section):
    """Who is who on an OPC UA connection."""

    username: str | None = Field(default=None, description="of the client; empty: anonymous")
    password: SecretStr | None = Field(
        default=None, description="the client's; better in the environment, or as password_file"
    )
    password_file: Path | None = Field(default=None, description="holds the password")
    certificate_file: Path | None = Field(
        default=None, description="ours, DER or PEM: then signed and encrypted connections only"
    )
    key_file: Path | None = Field(default=None, description="its private key")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        secrets = [each for each in (self.password, self.password_file) if each is not None]
        if len(secrets) != bool(self.username):
            raise ValueError("username belongs with either password or password_file")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file belong together: set both")
        return self

    def secret(self, path: str) -> str | None:
        """The password. Raises SettingsError naming the setting below `path`."""
        return read_secret(self.password, self.password_file, f"{path}.password")


class OpcUaServerSettings(_Login):
    """A small address space of our own, which the plant reads (extra `gate-opcua`)."""

    endpoint: str | None = Field(
        default=None,
        pattern=r"^opc\.tcp://",
        description="where to listen, e.g. opc.tcp://127.0.0.1:4840/gate; empty: no server",
    )


OpcUaNode = Literal[
    "decision",
    "reject",
    "reason",
    "late",
    "part",
    "start",
    "id",
    "serial",
    "answer",
    "beat",
    "ready",
]


class OpcUaClientSettings(_Login):
    """Nodes of a server in the plant that we write (extra `gate-opcua`)."""

    url: str | None = Field(
        default=None,
        pattern=r"^opc\.tcp://",
        description="the server, e.g. opc.tcp://plc.example:4840; empty: no client",
    )
    nodes: dict[OpcUaNode, str] = Field(
        default={},
        description="what -> node id, e.g. {part: 'ns=2;s=Gate.{camera}.Part'}; {camera} and "
        "{lane} stand for the camera and its place in gate.cameras",
    )
    timeout_s: float = Field(default=2.0, gt=0, description="give up on one answer of the server")

    @model_validator(mode="after")
    def _has_nodes(self) -> Self:
        if self.url and not set(self.nodes) & {"decision", "reject", "answer"}:
            raise ValueError("nodes: name at least one of decision, reject, answer")
        return self


class MqttSettings(Section):
    """A message for each answer (extra `gate-mqtt`)."""

    host: str | None = Field(default=None, description="the MQTT broker; empty: no MQTT")
    port: int = Field(default=1883, ge=1, le=65535, description="its port; with TLS often 8883")
    topic: str = Field(
        default="stream-inspector/gate/{camera}",
        min_length=1,
        description="of the answers; {camera} and {lane} as above",
    )
    status_topic: str = Field(
        default="stream-inspector/gate-status",
        min_length=1,
        description="ready, not-ready or gone, retained; the broker says gone when we cannot",
    )
    client_id: str = Field(default="stream-inspector-gate", description="one for each gate")
    username: str | None = Field(default=None, description="who we are to it")
    password: SecretStr | None = Field(default=None, description="ours")
    password_file: Path | None = Field(default=None, description="holds the password")
    use_tls: bool = Field(default=False, description="with the certificates of tls.*")
    tls: TlsSettings = TlsSettings()
    timeout_s: float = Field(default=2.0, gt=0, description="give up on one answer of the broker")


class CommandSettings(Section):
    """A program that is run for an answer, for instance one that sets an output pin. No shell."""

    on_reject: tuple[str, ...] = Field(
        default=(),
        description="program and arguments; {camera}, {lane}, {part}, {id}, {serial}, {decision}, "
        "{reason} stand "
        "for what they say; empty: nothing is run",
    )
    on_pass: tuple[str, ...] = Field(default=(), description="the same for a part that may pass")
    timeout_s: float = Field(default=1.0, gt=0, description="then it is killed, and counted")


class JoinSettings(Section):
    """Several frames of one part, which get one answer together."""

    rule: Literal["none", "worst", "all"] = Field(
        default="none",
        description="worst: one view with a defect rejects the part; all: every view has to show "
        "it; none: each frame is a part",
    )
    views: tuple[CameraId, ...] = Field(
        default=(),
        description="the views that a part has to have, as its frames name them (ce_view); "
        "empty: one of each camera",
    )
    station: CameraId = Field(
        default="station", description="what stands for the camera in answers, nodes and topics"
    )
    within_s: float = Field(
        default=60.0, gt=0, description="the same part id further apart is the part once more"
    )


class GateSettings(Section):
    """Which parts are answered, when, and to whom."""

    cameras: tuple[CameraId, ...] = Field(
        default=(), description="the cameras whose parts are answered; their order is the lanes'"
    )
    deadline_s: float = Field(
        default=1.0,
        gt=0,
        le=3600,
        description="from capture until a part is answered at the latest",
    )
    tolerance_s: float = Field(
        default=0.05, ge=0, description="an answer so long after the deadline is still in time"
    )
    answer: Literal["at-once", "at-deadline"] = Field(
        default="at-once", description="at-deadline: all parts the same time after capture"
    )
    near_miss: Literal["pass", "reject"] = Field(
        default="pass", description="what a near miss becomes"
    )
    not_inspected: Literal["pass", "reject"] = Field(
        default="reject",
        description="what is done with a part that was not inspected in time; the answer says so",
    )
    parts: Literal["frames", "outcomes"] = Field(
        default="frames",
        description="how the gate knows of parts. outcomes: pictures are not read; a part whose "
        "outcome never comes is noticed when the next one's does",
    )
    max_gap: int = Field(
        default=1000,
        ge=0,
        description="missing numbers of a camera that are answered; more are a count begun anew",
    )
    look_back_s: float = Field(
        default=60.0, ge=1, le=86_400, description="a gate that starts reads from so long before"
    )
    folder: Path = Field(
        default=Path("runs/gate"), description="keeps what was answered between starts"
    )
    heartbeat_s: float = Field(default=1.0, gt=0, description="between two signs of life")
    join: JoinSettings = JoinSettings()
    modbus: ModbusSettings = ModbusSettings()
    opcua_server: OpcUaServerSettings = OpcUaServerSettings()
    opcua_client: OpcUaClientSettings = OpcUaClientSettings()
    mqtt: MqttSettings = MqttSettings()
    command: CommandSettings = CommandSettings()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.cameras)) != len(self.cameras):
            raise ValueError("cameras: a camera is named twice")
        last = self.modbus.first_register + SLOT + len(self.lanes) * self.modbus.slots * SLOT
        if self.modbus.host and last > _REGISTERS:
            raise ValueError(
                f"modbus.first_register, modbus.slots: {len(self.lanes)} cameras need registers "
                f"up to {last - 1}; there are {_REGISTERS}"
            )
        return self

    @property
    def lanes(self) -> dict[str, int]:
        """What answers are of, camera or station, each with its place."""
        names = self.cameras if self.join.rule == "none" else (self.join.station,)
        return {name: lane for lane, name in enumerate(names)}


class GateProcessSettings(ProcessSettings):
    """Everything `stream-inspector gate` can be told."""

    gate: GateSettings = GateSettings()
