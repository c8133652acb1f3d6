import socket
from pathlib import Path

import pytest

from workers.runtime.servers.process import HOST, free_ports


def test_they_are_others_than_those_of_connections() -> None:
    limits = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first = int(limits.read_text().split()[0]) if limits.exists() else 49_152

    found = free_ports(20)

    assert len(set(found)) == 20
    assert max(found) < first


def test_a_port_in_use_is_not_among_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        port = taken.getsockname()[1]
        monkeypatch.setattr("workers.runtime.servers.process._PORTS", range(port, port + 50))
        assert port not in free_ports(20)
