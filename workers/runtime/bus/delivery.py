"""Results and the positions they settle, as one statement: the at-least-once way."""

from collections.abc import Callable, Iterable

from workers.runtime.bus.ports import Outgoing, Positions, Producer


class AtLeastOnce:
    """Publishes first and commits after: a crash in between repeats outcomes, with equal ids.

    The consumer belongs to another thread, so `commit` only hands the positions over to it.
    """

    guarantee = (
        "at least once: after a crash an outcome may be published again, with the same id; "
        "none is lost"
    )

    commits = False

    def __init__(self, producer: Producer, commit: Callable[[Positions], None]):
        self._producer, self._commit = producer, commit

    def generation(self) -> None:
        """Commits are fenced on the consumer's own thread."""

    def settle(
        self,
        messages: Iterable[Outgoing],
        positions: Positions,
        generation: object | None,  # noqa: ARG002  (the port)
    ) -> None:
        """Publish all, wait for the broker, then hand over the positions."""
        self._producer.publish(messages)
        self._commit(positions)

    def close(self) -> None:
        """Close the producer."""
        self._producer.close()
