"""What the gate needs of a way to tell the plant."""

from typing import Protocol

from workers.gate.answers import Answer
from workers.runtime.errors import Transient


class ChannelDown(Transient):
    """The plant did not take an answer; it is tried again."""


class Refused(ChannelDown):
    """The plant is there, and does not take this answer."""


class Channel(Protocol):
    """Belongs to one thread. Every method ends within the channel's timeout."""

    name: str
    moves: bool  # acts at once: what comes too late must not be sent

    def open(self) -> None:
        """Connect. Raises ChannelDown."""

    def send(self, answer: Answer) -> None:
        """Tell of one part, and wait until the plant has it. Raises ChannelDown, Refused."""

    def beat(self, *, ready: bool) -> None:
        """The gate lives; `ready`: it hears of parts and outcomes. Raises ChannelDown."""

    def close(self) -> None:
        """Say that the gate is gone, where that can be said, and disconnect."""
