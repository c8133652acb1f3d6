"""Answers in an address space of our own, which PLC and SCADA read or subscribe to.

Objects/Gate has Beat and Ready, and an object for each camera: Decision, Reject, Reason, Late,
LatencyMs, CapturedAt, Start, FrameId, Answer (all of it as JSON), and Part, which is written last.
"""

import logging
from collections.abc import Mapping
from typing import Any

from asyncua import ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.sync import Server

from workers.gate.answers import Answer
from workers.gate.channels.channel import ChannelDown
from workers.gate.settings import OpcUaServerSettings
from workers.runtime.errors import SettingsError

NAMESPACE = "urn:stream-inspector:gate"
_VARIABLES: dict[str, tuple[Any, ua.VariantType]] = {
    "Decision": (0, ua.VariantType.Int32),
    "Reject": (False, ua.VariantType.Boolean),
    "Reason": ("", ua.VariantType.String),
    "Late": (False, ua.VariantType.Boolean),
    "LatencyMs": (0, ua.VariantType.UInt32),
    "CapturedAt": (None, ua.VariantType.DateTime),
    "Start": ("", ua.VariantType.String),
    "FrameId": ("", ua.VariantType.String),
    "PartId": ("", ua.VariantType.String),
    "Serial": ("", ua.VariantType.String),
    "Answer": ("", ua.VariantType.String),
    "Part": (-1, ua.VariantType.Int64),  # last: who waits for it finds the others in place
}
_ENCRYPTED = ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt


class OpcUaServerChannel:
    """Serves one endpoint."""

    name = "opcua-server"
    moves = False

    def __init__(self, settings: OpcUaServerSettings, lanes: Mapping[str, int]) -> None:
        """Raises SettingsError for a password that cannot be read."""
        self._settings, self._lanes = settings, lanes
        self._password = settings.secret("gate.opcua_server")
        self._server: Any = None
        self._nodes: dict[tuple[str, str], Any] = {}
        self._beats = 0

    def open(self) -> None:
        """Listen. Raises ChannelDown."""
        logging.getLogger("asyncua").setLevel(logging.ERROR)  # it warns of each client's wishes
        self._server = Server(sync_wrapper_timeout=60)
        try:
            self._secure()
            self._furnish(self._server.register_namespace(NAMESPACE))
            self._server.start()
        except OSError as error:
            raise ChannelDown(f"gate.opcua_server.endpoint: {error}") from None

    def send(self, answer: Answer) -> None:
        """Write its camera's variables. Raises ChannelDown."""
        values = {
            "Decision": answer.decision.code,
            "Reject": answer.reject,
            "Reason": answer.reason,
            "Late": answer.late,
            "LatencyMs": min(2**32 - 1, round(answer.latency_s * 1000)),
            "CapturedAt": answer.key.captured_at.replace(tzinfo=None),
            "Start": answer.key.start,
            "FrameId": answer.key.frame_id,
            "PartId": answer.said("id"),
            "Serial": answer.said("serial"),
            "Answer": answer.text(),
            "Part": answer.key.number,
        }
        for name, (_, kind) in _VARIABLES.items():
            self._write(answer.camera, name, values[name], kind)

    def beat(self, *, ready: bool) -> None:
        """Count up. Raises ChannelDown."""
        self._beats = (self._beats + 1) % 2**32
        self._write("", "Ready", ready, ua.VariantType.Boolean)
        self._write("", "Beat", self._beats, ua.VariantType.UInt32)

    def close(self) -> None:
        """Listen no more; connected clients see it."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def _secure(self) -> None:
        settings = self._settings
        self._server.set_endpoint(settings.endpoint)
        self._server.set_server_name("stream-inspector gate")
        self._server.aio_obj.iserver.user_manager = self
        if not settings.certificate_file:
            self._server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
            return
        try:
            self._server.load_certificate(str(settings.certificate_file))
            self._server.load_private_key(str(settings.key_file))
        except (OSError, ValueError) as error:
            raise SettingsError(f"gate.opcua_server.certificate_file, .key_file: {error}") from None
        self._server.set_security_policy([_ENCRYPTED])

    def get_user(
        self,
        iserver: object,  # noqa: ARG002
        username: str | None = None,
        password: str | None = None,
        certificate: object = None,  # noqa: ARG002
    ) -> User | None:
        """Who may read; nobody may write. asyncua's own would take `admin` for an administrator."""
        wanted = self._settings.username
        if wanted and (username, password) != (wanted, self._password):
            return None
        return User(role=UserRole.User)

    def _furnish(self, space: int) -> None:
        gate = self._server.nodes.objects.add_object(_node("Gate", space), "Gate")
        for name, kind in (("Beat", ua.VariantType.UInt32), ("Ready", ua.VariantType.Boolean)):
            self._nodes["", name] = gate.add_variable(_node(f"Gate.{name}", space), name, 0, kind)
        for camera in self._lanes:
            place = gate.add_object(_node(f"Gate.{camera}", space), camera)
            for name, (value, kind) in _VARIABLES.items():
                node = _node(f"Gate.{camera}.{name}", space)
                self._nodes[camera, name] = place.add_variable(node, name, value, kind)

    def _write(self, camera: str, name: str, value: Any, kind: ua.VariantType) -> None:
        self._nodes[camera, name].write_value(value, kind)


def _node(name: str, space: int) -> ua.NodeId:
    return ua.NodeId(ua.String(name), ua.Int16(space))
