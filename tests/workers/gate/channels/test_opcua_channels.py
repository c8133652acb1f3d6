"""Answers reach a real OPC UA client, and the nodes of a real server."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua
from asyncua.sync import Client
from asyncua.ua.uaerrors import UaError
from pydantic import SecretStr

from tests.workers.gate.parts import answer
from tests.workers.gate.plants import PATIENCE_S, OpcUaPlant, free_port, until
from workers.gate.answers import Decision
from workers.gate.channels.channel import ChannelDown, Refused
from workers.gate.channels.opcua_client import OpcUaClientChannel
from workers.gate.channels.opcua_server import NAMESPACE, OpcUaServerChannel
from workers.gate.channels.opcua_types import as_type
from workers.gate.settings import OpcUaClientSettings, OpcUaServerSettings

pytestmark = pytest.mark.integration

LANES = {"line-1": 0}
NODES = {
    name.lower(): f"ns=2;s={{camera}}.{name}"
    for name in (
        *("Decision", "Reject", "Part", "Answer", "Beat", "Ready"),
        *("Late", "Start", "Reason"),
    )
}


def endpoint() -> str:
    return f"opc.tcp://127.0.0.1:{free_port()}/gate"


@pytest.fixture
def served() -> Iterator[tuple[OpcUaServerChannel, str]]:
    url = endpoint()
    channel = OpcUaServerChannel(OpcUaServerSettings(endpoint=url), LANES)
    channel.open()
    try:
        yield channel, url
    finally:
        channel.close()


class Subscriber:
    """Hears of each new part."""

    def __init__(self) -> None:
        self.parts: list[int] = []

    def datachange_notification(self, node: Any, value: int, data: Any) -> None:
        self.parts.append(value)


def test_a_client_reads_and_subscribes(served: tuple[OpcUaServerChannel, str]) -> None:
    channel, url = served
    with Client(url, timeout=PATIENCE_S) as client:
        space = client.get_namespace_index(NAMESPACE)

        def value(name: str) -> Any:
            return client.get_node(f"ns={space};s=Gate.{name}").read_value()

        heard = Subscriber()
        subscription = client.create_subscription(5, heard)
        part = client.get_node(f"ns={space};s=Gate.line-1.Part")
        subscription.subscribe_data_change(part)
        channel.beat(ready=True)
        channel.send(answer(7, Decision.REJECT))
        until(lambda: 7 in heard.parts)
        assert (value("line-1.Decision"), value("line-1.Reject")) == (2, True)
        assert value("line-1.LatencyMs") == 120
        assert value("line-1.CapturedAt").year == 2030
        assert json.loads(value("line-1.Answer"))["frame_id"] == "f-e1-7"
        assert (value("Ready"), value("Beat")) == (True, 1)
        channel.send(answer(8))
        until(lambda: 8 in heard.parts)
        assert (value("line-1.Decision"), value("line-1.Reject")) == (1, False)
        subscription.delete()


def test_nobody_may_write(served: tuple[OpcUaServerChannel, str]) -> None:
    _, url = served
    for user in ("", "admin"):
        client = Client(url, timeout=PATIENCE_S)
        if user:
            client.set_user(user)
            client.set_password("guess")
        with client:
            space = client.get_namespace_index(NAMESPACE)
            node = client.get_node(f"ns={space};s=Gate.line-1.Reject")
            with pytest.raises(UaError):
                node.write_value(True, ua.VariantType.Boolean)


def test_with_a_password_nobody_else_is_let_in() -> None:
    url = endpoint()
    login = OpcUaServerSettings(endpoint=url, username="plc", password=SecretStr("s3cret-word"))
    channel = OpcUaServerChannel(login, LANES)
    channel.open()
    try:
        for user, password in ((None, None), ("plc", "wrong"), ("admin", "s3cret-word")):
            client = Client(url, timeout=PATIENCE_S)
            if user:
                client.set_user(user)
                client.set_password(password)
            with pytest.raises(UaError):
                client.connect()
            client._stop_own_tloop()
        client = Client(url, timeout=PATIENCE_S)
        client.set_user("plc")
        client.set_password("s3cret-word")
        with client:
            assert client.get_namespace_index(NAMESPACE) >= 2
    finally:
        channel.close()


def test_an_address_that_is_taken_is_a_channel_that_is_down(
    served: tuple[OpcUaServerChannel, str],
) -> None:
    second = OpcUaServerChannel(OpcUaServerSettings(endpoint=served[1]), LANES)
    with pytest.raises(ChannelDown, match=r"gate\.opcua_server\.endpoint"):
        second.open()
    second.close()


def client_channel(plant: OpcUaPlant, nodes: dict[str, str] = NODES) -> OpcUaClientChannel:
    settings = OpcUaClientSettings.model_validate({"url": plant.url, "nodes": nodes})
    return OpcUaClientChannel(settings, LANES)


def test_nodes_of_the_plant_are_written_in_their_own_types() -> None:
    with OpcUaPlant() as plant:
        channel = client_channel(plant)
        channel.open()
        channel.beat(ready=True)
        channel.send(replace(answer(70_000, Decision.NOT_INSPECTED), late=True))
        found = {name: plant.value(name) for name in ("Decision", "Reject", "Part", "Beat")}
        assert found == {"Decision": 3, "Reject": True, "Part": 70_000, "Beat": 1}
        assert plant.value("Ready") is True
        more = [plant.value(name) for name in ("Late", "Start", "Reason")]
        assert more == [True, "e1", "deadline"]
        assert json.loads(plant.value("Answer"))["decision"] == "not-inspected"
        channel.close()
        assert plant.value("Ready") is False


def test_a_number_beyond_its_node_goes_on_from_0_and_a_text_node_has_it_as_text() -> None:
    with OpcUaPlant(Part="UInt16", Decision="String", Reject="Int16") as plant:
        channel = client_channel(plant)
        channel.open()
        channel.send(answer(65_537, Decision.REJECT))
        found = {name: plant.value(name) for name in ("Part", "Decision", "Reject")}
        assert found == {"Part": 1, "Decision": "2", "Reject": 1}
        channel.close()


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (40_000, "Int16", 40_000 - 32_768),
        (2**40, "UInt64", 2**40),
        (7, "Double", 7.0),
        (True, "String", "true"),
        ("4711", "UInt32", 4711),
        ("SN-1", "UInt32", 0),
        ("9" * 100, "Int64", 0),
        ("SN-1", "ByteString", b"SN-1"),
        ("SN-1", "LocalizedText", ua.LocalizedText("SN-1")),
    ],
)
def test_what_is_said_takes_the_type_of_its_node(value: Any, kind: str, expected: Any) -> None:
    assert as_type(value, ua.VariantType[kind]) == expected


def test_a_node_that_is_not_there_is_named() -> None:
    with OpcUaPlant() as plant:
        channel = client_channel(plant, {"decision": "ns=2;s=nowhere"})
        channel.open()
        with pytest.raises(Refused, match="nowhere"):
            channel.send(answer(0))
        channel.close()


def test_a_server_that_is_away_or_goes_away_is_noticed() -> None:
    with OpcUaPlant() as plant:
        channel = client_channel(plant)
        channel.open()
        channel.send(answer(0))
        plant.stop()
        with pytest.raises(ChannelDown):
            channel.send(answer(1))
        channel.close()
        with pytest.raises(ChannelDown, match=r"gate\.opcua_client\.url"):
            channel.open()
        channel.close()
        plant.start()
        channel.open()
        channel.send(answer(2))
        assert plant.value("Part") == 2
        channel.close()


def test_signed_and_encrypted_connections_only_where_a_certificate_is_given(tmp_path: Path) -> None:
    url, files = endpoint(), _certificate(tmp_path)
    settings = OpcUaServerSettings(endpoint=url, certificate_file=files[0], key_file=files[1])
    channel = OpcUaServerChannel(settings, LANES)
    channel.open()
    try:
        plain = Client(url)
        with pytest.raises((UaError, OSError, TimeoutError)):
            plain.connect()
        plain._stop_own_tloop()
        client = Client(url, timeout=PATIENCE_S)
        client.set_security_string(f"Basic256Sha256,SignAndEncrypt,{files[0]},{files[1]}")
        with client:
            assert client.get_namespace_index(NAMESPACE) >= 2
    finally:
        channel.close()


def _certificate(folder: Path) -> tuple[Path, Path]:
    import trustme

    made = trustme.CA().issue_cert("127.0.0.1", key_type=trustme.KeyType.RSA)
    certificate, key = folder / "gate.pem", folder / "gate-key.pem"
    made.cert_chain_pems[0].write_to_path(str(certificate))
    made.private_key_pem.write_to_path(str(key))
    return certificate, key
