"""A channel costs itself only; answers keep their order, and what moves is never late or twice."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.workers.gate.parts import answer
from workers.gate.answers import Answer
from workers.gate.channels.channel import ChannelDown, Refused
from workers.gate.courier import Courier

PATIENCE_S = 10.0


class Wire:
    """A channel whose other end is this test."""

    name, moves = "wire", False

    def __init__(self) -> None:
        self.took: list[Answer] = []
        self.beats: list[bool] = []
        self.cut = self.opened = self.closed = 0
        self.hold = threading.Event()
        self.hold.set()

    def open(self) -> None:
        self.opened += 1
        if self.cut:
            raise ChannelDown("cut")

    def send(self, one: Answer) -> None:
        self.hold.wait(PATIENCE_S)
        if self.cut:
            raise ChannelDown("cut")
        self.took.append(one)

    def beat(self, *, ready: bool) -> None:
        self.beats.append(ready)

    def close(self) -> None:
        self.closed += 1


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def courier(wire: Wire, beat_s: float = 0.05, **given: bool) -> Courier:
    return Courier(wire, lambda: given.get("ready", True), beat_s=beat_s, tolerance_s=0.05)


def numbers(wire: Wire) -> list[int]:
    return [each.key.number for each in wire.took]


def test_answers_keep_their_order_while_the_channel_comes_and_goes() -> None:
    wire = Wire()
    with courier(wire) as carrier:
        carrier.put(answer(0))
        until(lambda: bool(wire.took))
        wire.cut = 1
        for number in (1, 2, 3):
            carrier.put(answer(number))
        until(lambda: wire.opened >= 3)
        assert carrier.problem == "cut"
        assert carrier.waiting == 3
        wire.cut = 0
        until(lambda: len(wire.took) == 4)
        until(lambda: carrier.problem is None)
    assert numbers(wire) == [0, 1, 2, 3]
    assert carrier.sent == 4
    assert wire.closed >= 3


def test_what_waits_is_sent_before_the_end() -> None:
    wire = Wire()
    with courier(wire) as carrier:
        for number in range(50):
            carrier.put(answer(number))
    assert numbers(wire) == list(range(50))


def test_putting_never_waits_and_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.gate.courier._QUEUE", 1000)
    wire = Wire()
    wire.hold.clear()
    with courier(wire) as carrier:
        for number in range(1500):
            carrier.put(answer(number))
        assert carrier.waiting <= 1000
        wire.hold.set()
        until(lambda: carrier.waiting == 0)
        assert carrier.given_up >= 499
        assert numbers(wire)[-1] == 1499


def test_signs_of_life_say_whether_the_gate_hears_anything() -> None:
    for ready in (True, False):
        wire = Wire()
        with courier(wire, ready=ready):
            until(lambda wire=wire: len(wire.beats) >= 3)  # type: ignore[misc]
        assert set(wire.beats) == {ready}


def test_what_moves_comes_neither_late_nor_twice() -> None:
    wire = Wire()
    wire.moves = True
    now = time.monotonic()
    with courier(wire) as carrier:
        carrier.put(replace(answer(0), late=True))
        carrier.put(replace(answer(1), deadline_s=now - 1))
        carrier.put(replace(answer(2), again=True))
        carrier.put(answer(3))
        until(lambda: carrier.waiting == 0)
    assert numbers(wire) == [3]
    assert carrier.given_up == 2


def test_what_is_only_told_comes_late_and_is_counted() -> None:
    wire = Wire()
    with courier(wire) as carrier:
        carrier.put(answer(0))
        carrier.put(replace(answer(1), deadline_s=time.monotonic() - 1))
        until(lambda: carrier.waiting == 0)
    assert [(each.key.number, each.late) for each in wire.took] == [(0, False), (1, True)]
    assert carrier.overdue == 1


def test_an_answer_that_is_refused_holds_up_no_other_beyond_its_time() -> None:
    wire = Wire()
    send, refusals = wire.send, []

    def some(one: Answer) -> None:
        if one.key.number < 2:
            refusals.append(one.key.number)
            raise Refused("no such register")
        send(one)

    wire.send = some  # type: ignore[method-assign]
    with courier(wire) as carrier:
        carrier.put(replace(answer(0), deadline_s=time.monotonic() + 0.3))
        carrier.put(replace(answer(1), deadline_s=time.monotonic()))
        until(lambda: carrier.problem == "no such register")
        carrier.put(answer(2))
        until(lambda: bool(wire.took))
        until(lambda: carrier.problem is None)
        assert wire.opened == 1  # the connection is a good one, and beats meanwhile
        carrier.put(answer(0))  # at the end nothing is waited for
    assert numbers(wire) == [2]
    assert carrier.given_up == 2
    assert refusals.count(1) == 3


def test_an_answer_that_a_library_chokes_on_holds_up_no_other_either() -> None:
    wire = Wire()
    send = wire.send

    def some(one: Answer) -> None:
        if not one.key.number:
            raise ValueError("odd")
        send(one)

    wire.send = some  # type: ignore[method-assign]
    with courier(wire) as carrier:
        carrier.put(replace(answer(0), late=True))
        carrier.put(answer(1))
        until(lambda: bool(wire.took))
    assert numbers(wire) == [1]
    assert (carrier.given_up, carrier.failures) == (1, 3)


def test_what_a_channel_that_is_away_did_not_take_is_never_given_up() -> None:
    wire = Wire()
    wire.cut = 1
    wire.open = lambda: None  # type: ignore[method-assign]  # it connects, and takes nothing
    with courier(wire) as carrier:
        carrier.put(replace(answer(0), late=True))
        until(lambda: carrier.failures >= 4)
        assert carrier.problem == "cut"
        wire.cut = 0
        until(lambda: carrier.waiting == 0)
    assert numbers(wire) == [0]


def test_a_library_that_raises_what_it_likes_is_connected_anew() -> None:
    wire = Wire()
    fails = [ValueError("odd")]
    send = wire.send

    def sometimes(one: Answer) -> None:
        if fails:
            raise fails.pop()
        send(one)

    wire.send = sometimes  # type: ignore[method-assign]
    with courier(wire) as carrier:
        carrier.put(answer(0))
        until(lambda: bool(wire.took))
    assert carrier.failures == 1
