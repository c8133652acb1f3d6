"""A time that is copied from the list means the same to every option, wherever it is pasted."""

import io
import time
from datetime import UTC, datetime, timedelta

import pytest

from schemas.documents import samples
from schemas.resolution import Action
from workers.dlq.command import make_filter
from workers.dlq.run import Desk
from workers.runtime.bus.delivery import AtLeastOnce
from workers.runtime.bus.memory import MemoryBroker
from workers.runtime.bus.ports import Outgoing
from workers.runtime.host.terminal import Terminal
from workers.runtime.listing import Form
from workers.runtime.settings.process import TopicSettings

TOPICS = TopicSettings()
FIRST = datetime(2026, 11, 29, 2, 8, 3, 250_000, tzinfo=UTC)
ZONES = ("UTC", "America/New_York", "Asia/Kathmandu")


def move_to(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()


class Bench:
    """Six letters, a second apart."""

    def __init__(self) -> None:
        self.broker, self.out = MemoryBroker(), io.StringIO()
        for number in range(6):
            letter = samples.DEAD_LETTER.model_copy(
                update={
                    "outcome_id": f"{number:032x}",
                    "rejected_at": FIRST + timedelta(seconds=number),
                }
            )
            self.broker.append(Outgoing(TOPICS.dead_letters, letter.encode()))

    def publish(self, messages: list[Outgoing]) -> None:
        for message in messages:
            self.broker.append(message)

    def close(self) -> None:
        pass

    def desk(self) -> Desk:
        terminal = Terminal(file=self.out)
        return Desk(
            TOPICS, self.broker.records, lambda: AtLeastOnce(self, lambda _: None), terminal
        )

    def listed(self) -> list[str]:
        self.desk().overview(make_filter(None, None, None, None, None, None), False, Form.TABLE)
        return self.out.getvalue().splitlines()[1:]


@pytest.mark.parametrize("there", ZONES)
@pytest.mark.parametrize("here", ZONES)
def test_what_is_copied_settles_the_same_letters(
    here: str, there: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench()
    try:
        move_to(here, monkeypatch)
        lines = bench.listed()
        assert len(lines) == 6
        copied = lines[1].split()[1]  # the second letter's
        assert copied.endswith("Z")
        move_to(there, monkeypatch)
        wanted = make_filter(None, None, None, None, None, copied)
        bench.desk().resolve(Action.DISCARDED, wanted, "test", False)
    finally:
        move_to("UTC", monkeypatch)
    assert len(list(bench.broker.records(TOPICS.resolutions))) == 1
    assert f"before {copied}" in bench.out.getvalue()
