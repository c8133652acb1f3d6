"""What counts the losses can count, what breaks the network does, and a short form of it all."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.chaos import gate
from benchmarks.chaos.observer import Findings, Observer, Outcome, examine
from benchmarks.chaos.proxy import Proxy
from benchmarks.plc import NOT_INSPECTED, PASS, REJECT, Plc, Told
from workers.runtime.servers.process import HOST

ROOT = Path(__file__).parents[2]


def outcome(frame: str, sequence: int, camera: str = "a", **said: bool) -> Outcome:
    seen = {"rejected": False, "defect": False} | said
    return Outcome(frame, camera, sequence, 0.0, 0, worker="w", read_at=0.0, **seen)


GOOD = [outcome("f1", 1), outcome("f2", 2, rejected=True), outcome("f3", 1, "b", defect=True)]
SENT = ["f1", "f2", "f3"]
FOUND = {
    "written": SENT,
    "outcomes": GOOD,
    "letters": ["f2"],
    "defects": ["f3"],
    "alarmed": ["f2", "f3"],
}


def told(camera: str, part: int, decision: int, *, late: bool = False) -> Told:
    return Told("ab".index(camera), part, 7, decision, decision != PASS, late, 0.0)


ANSWERED = [told("a", 1, PASS), told("b", 1, REJECT), told("a", 2, NOT_INSPECTED)]


@pytest.mark.parametrize(
    ("answers", "unanswered", "wrong"),
    [
        (ANSWERED, 0, 0),
        ([*ANSWERED, ANSWERED[0]], 0, 0),  # the same once more, as after a crash
        (ANSWERED[1:], 1, 0),
        ([*ANSWERED, told("a", 1, REJECT)], 0, 1),
        ([told("a", 1, REJECT), *ANSWERED[1:]], 0, 1),
        ([told("a", 1, NOT_INSPECTED, late=True), *ANSWERED[1:]], 0, 1),
        (ANSWERED[::-1], 0, 1),  # not in their order
        ([*ANSWERED, told("a", 3, PASS)], 0, 1),  # a part that nobody judged
    ],
)
def test_answers_are_held_against_what_was_judged(
    answers: list[Told], unanswered: int, wrong: int
) -> None:
    missing, others = gate.examine(["a", "b"], answers, GOOD)
    assert (len(missing), len(others)) == (unanswered, wrong)


def test_the_plc_hears_what_a_gate_writes() -> None:
    from tests.workers.gate.parts import answer
    from workers.gate.channels.modbus import ModbusChannel
    from workers.gate.settings import ModbusSettings

    with Plc(lanes=2, slots=4) as plc:
        given = ModbusSettings(host="127.0.0.1", port=plc.port, slots=4)
        channel = ModbusChannel(given, {"other": 0, "line-1": 1})
        channel.open()
        channel.beat(ready=True)
        channel.send(answer(70_003))
        channel.close()
    (only,) = plc.told
    assert (only.lane, only.part, only.decision) == (1, 70_003, PASS)
    assert not (only.reject or only.late)


def test_a_run_without_a_loss_is_clean() -> None:
    assert examine(SENT, **FOUND).clean
    assert examine(SENT, **FOUND, explained=["f3"]).clean


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ({"outcomes": GOOD[1:]}, {"lost": ("f1",)}),
        ({"outcomes": [*GOOD, GOOD[0]]}, {"repeated": ("f1",), "out_of_order": ("a",)}),
        ({"outcomes": GOOD[1::-1] + GOOD[2:]}, {"out_of_order": ("a",)}),
        ({"letters": []}, {"letters_wrong": ("f2",)}),
        ({"letters": ["f2", "f2"]}, {"letters_wrong": ("f2",)}),
        ({"letters": ["f1", "f2"]}, {"letters_wrong": ("f1",), "alarms_lost": ("f1",)}),
        ({"defects": []}, {"defects_wrong": ("f3",)}),
        ({"explained": []}, {"explanations_wrong": ("f3",)}),
        ({"explained": ["f3", "f3"]}, {"explanations_wrong": ("f3",)}),
        ({"alarmed": ["f2"]}, {"alarms_lost": ("f3",)}),
        ({"written": [*SENT, "f1"]}, {"sent_twice": ("f1",)}),
    ],
)
def test_what_went_wrong_is_named(wrong: dict, found: dict) -> None:
    findings = examine(SENT, **(FOUND | wrong))
    assert {name: getattr(findings, name) for name in found} == found
    others = {name for name in Findings.__slots__ if getattr(findings, name)} - found.keys()
    assert not others


def test_a_partition_that_stands_still_counts_although_others_flow() -> None:
    seen = Observer.__new__(Observer)
    seen._used = {0, 1}
    read = [(0, 100.5), (0, 101.5), (0, 103.0), (1, 102.8), (1, 103.1)]
    seen.outcomes = [
        Outcome("f", "a", n, at - 0.1, partition, False, False, "w", at)
        for n, (partition, at) in enumerate(read)
    ]
    assert seen.standstill_s(100.0, 103.2) == pytest.approx(2.8)
    assert seen.flowing(102.0)
    assert not seen.flowing(102.95)


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that says everything again."""
    with socket.create_server((HOST, 0)) as server:

        def serve() -> None:
            while True:
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=repeat, args=(peer,), daemon=True).start()

        def repeat(peer: socket.socket) -> None:
            while data := peer.recv(100):
                peer.sendall(data)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def gone(client: socket.socket) -> bool:
    try:
        return client.recv(10) == b""
    except ConnectionError:
        return True


@pytest.mark.slow
def test_a_proxy_is_a_network_that_can_be_broken(echo: int) -> None:
    with Proxy(echo) as proxy:
        client = socket.create_connection((HOST, proxy.port), 5)
        client.sendall(b"one")
        assert client.recv(10) == b"one"
        proxy.slow(0.1)
        before = time.monotonic()
        client.sendall(b"two")
        assert client.recv(10) == b"two"
        assert time.monotonic() - before >= 0.2  # there and back
        proxy.mend()
        proxy.stall()
        client.sendall(b"three")
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(10)
        proxy.mend()
        client.settimeout(5)
        assert client.recv(10) == b"three"
        proxy.cut()
        assert gone(client)
        assert gone(socket.create_connection((HOST, proxy.port), 5))
        proxy.mend()
        client = socket.create_connection((HOST, proxy.port), 5)
        client.sendall(b"four")
        assert client.recv(10) == b"four"


@pytest.mark.slow
@pytest.mark.integration
def test_faults_on_one_stage_lose_and_repeat_nothing(tmp_path: Path) -> None:
    form = ["--short", "--rate", "2", "--out", str(tmp_path)]
    command = [sys.executable, "-m", "benchmarks.chaos", *form]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
