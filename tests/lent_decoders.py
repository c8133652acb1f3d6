"""Decoder processes that outlive a test: to start them anew would cost each half a second."""

from functools import cache

from workers.runtime.decoders.picture import Rules
from workers.runtime.decoders.pool import Decoders


class Lent(Decoders):
    """They end with the process of the tests."""

    def close(self) -> None:
        """Others use them later."""


@cache
def lent(size: int, rules: Rules) -> Lent:
    """In the place of `Decoders`: the same ones for the same rules."""
    return Lent(size, rules)
