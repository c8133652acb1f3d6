"""Answers written to nodes of an OPC UA server in the plant, all of an answer in one request."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from asyncua import ua
from asyncua.sync import Client
from asyncua.ua import uaerrors

from workers.gate.answers import Answer
from workers.gate.channels.channel import ChannelDown, Refused
from workers.gate.channels.opcua_types import as_type
from workers.gate.channels.placing import placed
from workers.gate.settings import OpcUaClientSettings

_FAULTS = (OSError, TimeoutError, uaerrors.UaError)
_REFUSALS = (  # of nodes and values; whatever else is wrong, connecting anew may help
    uaerrors.BadNodeIdUnknown,
    uaerrors.BadNodeIdInvalid,
    uaerrors.BadAttributeIdInvalid,
    uaerrors.BadTypeMismatch,
    uaerrors.BadOutOfRange,
    uaerrors.BadNotWritable,
    uaerrors.BadUserAccessDenied,
    uaerrors.BadWriteNotSupported,
    uaerrors.UaStringParsingError,
)


class OpcUaClientChannel:
    """Writes to one server."""

    name = "opcua-client"
    moves = False

    def __init__(self, settings: OpcUaClientSettings, lanes: Mapping[str, int]) -> None:
        """Raises SettingsError for a password that cannot be read."""
        self._settings, self._lanes = settings, lanes
        self._password = settings.secret("gate.opcua_client")
        self._client: Any = None
        self._kinds: dict[str, ua.VariantType] = {}  # node id -> the type that it wants
        self._beats = 0

    def open(self) -> None:
        """Connect. Raises ChannelDown."""
        logging.getLogger("asyncua").setLevel(logging.CRITICAL)  # what fails is told by us
        timeout_s = self._settings.timeout_s
        self._client = Client(
            self._settings.url or "", timeout=timeout_s, sync_wrapper_timeout=3 * timeout_s
        )
        try:
            self._log_in()
            self._client.connect()
        except _FAULTS as error:
            raise ChannelDown(f"{self._settings.url} (gate.opcua_client.url): {error!r}") from None
        self._kinds.clear()

    def send(self, answer: Answer) -> None:
        """Write what has a node. Raises ChannelDown, Refused."""
        said = {
            "decision": answer.decision.code,
            "reject": answer.reject,
            "reason": answer.reason,
            "late": answer.late,
            "answer": answer.text(),
            "id": answer.said("id"),
            "serial": answer.said("serial"),
            "start": answer.key.start,
            "part": answer.key.number,  # last, as who waits for it hopes
        }
        self._write(said, answer.camera)

    def beat(self, *, ready: bool) -> None:
        """Count up; where no node is named for it, ask whether the server is there."""
        self._beats = (self._beats + 1) % 2**16
        self._write({"ready": ready, "beat": self._beats}, next(iter(self._lanes)))
        try:
            self._client.check_connection()
        except Exception as error:
            raise ChannelDown(f"{self._settings.url}: {error!r}") from None

    def close(self) -> None:
        """Say that nothing is ready any more, and disconnect."""
        client = self._client
        if client is None:
            return
        with suppress(Exception):
            self._write({"ready": False}, next(iter(self._lanes)))
        self._client = None
        with suppress(Exception):  # its thread ends in any case
            client.disconnect()

    def _log_in(self) -> None:
        settings = self._settings
        if settings.certificate_file:
            files = f"{settings.certificate_file},{settings.key_file}"
            self._client.set_security_string(f"Basic256Sha256,SignAndEncrypt,{files}")
        if settings.username:
            self._client.set_user(settings.username)
            self._client.set_password(self._password)

    def _write(self, values: Mapping[str, Any], camera: str) -> None:
        """Without a time: PLCs of Siemens and others take values with their own time only."""
        nodes, said = [], []
        try:
            for name, value in values.items():
                if name in self._settings.nodes:
                    where = placed(self._settings.nodes[name], camera, self._lanes)
                    nodes.append(self._client.get_node(where))
                    kind = self._kind(where)
                    said.append(ua.DataValue(ua.Variant(as_type(value, kind), kind)))
            if nodes:
                self._client.write_values(nodes, said)
        except _FAULTS as error:
            named = ", ".join(str(node) for node in nodes)
            raised = Refused if isinstance(error, _REFUSALS) else ChannelDown
            raise raised(f"{self._settings.url}: {named}: {error!r}") from None

    def _kind(self, where: str) -> ua.VariantType:
        if where not in self._kinds:
            node = self._client.get_node(where)
            self._kinds[where] = node.read_data_type_as_variant_type()
        return self._kinds[where]
