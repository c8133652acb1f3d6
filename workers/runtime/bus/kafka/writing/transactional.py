"""Results and the positions they settle in one Kafka transaction: the exactly-once way.

Per settlement: begin, write, check every acknowledgement, add the positions (fenced by the group's
generation), commit. After any error the producer is replaced; a new one with the same transactional
id first brings the old transaction to its end, so that what became of it can be looked up.
"""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable

import structlog
from kafka import errors

from workers.runtime.bus.kafka.errors import cause_of, translate
from workers.runtime.bus.kafka.faults import BoundedProducer
from workers.runtime.bus.kafka.rebalance import as_offsets
from workers.runtime.bus.kafka.writing.producer import clock_refused, write_all
from workers.runtime.bus.ports import Outgoing, Partition, Positions
from workers.runtime.errors import BusUnavailable, Fatal, MembershipLost, Transient, WorkerError

_log = structlog.get_logger(__name__)

_FENCED = (errors.ProducerFencedError, errors.InvalidProducerEpochError)
_FENCES, _FENCES_WITHIN_S = 5, 60.0
_ABORT_S = 1.0


class Transactional:
    """The delivery port on transactions. One thread settles."""

    guarantee = "exactly once: outcomes and positions are committed in one transaction"

    commits = True

    def __init__(
        self,
        transactional_id: str,
        connect: Callable[[], BoundedProducer],
        generation: Callable[[], object | None],
        committed: Callable[[Iterable[Partition]], Positions],
        timeout_s: float,
    ) -> None:
        """`connect` makes a producer with the id; `committed` asks the broker for stable positions.

        Ends what a predecessor with the same id has left open. Raises Fatal.
        """
        self._id, self._connect = transactional_id, connect
        self.generation, self._committed, self._timeout_s = generation, committed, timeout_s
        self._in_doubt: Positions | None = None  # of a commit whose end is not known
        self._fenced: deque[float] = deque(maxlen=_FENCES)
        self._closed = False
        self._producer: BoundedProducer | None = None
        try:
            self._producer = self._ready()
        except Transient as error:
            _log.warning("no transactions yet, trying again", reason=str(error))

    def settle(
        self, messages: Iterable[Outgoing], positions: Positions, generation: object | None
    ) -> None:
        """One transaction. Raises MembershipLost, MessageTooLarge, Transient or Fatal.

        Without positions nothing can be looked up after a commit in doubt: the caller does it.
        """
        messages = list(messages)
        if positions and generation is None:
            raise MembershipLost("not a member of the group now")
        self._producer = producer = self._ready()
        if self._in_doubt is not None and self._went_through(positions, self._in_doubt):
            return
        try:
            producer.begin_transaction()
            write_all(producer, messages, self._timeout_s)
            if positions:
                producer.send_offsets_to_transaction(as_offsets(positions), generation)
                self._in_doubt = positions
            producer.commit_transaction()
        except errors.KafkaError as error:
            self._give_up(producer)
            if clock_refused(error):
                self.settle(messages, positions, generation)
                return
            raise self._judge(error) from error
        except WorkerError:
            self._give_up(producer)
            raise
        self._in_doubt = None

    def _ready(self) -> BoundedProducer:
        """The producer, or a new one. Raises Transient or Fatal."""
        if self._closed:
            raise BusUnavailable("the producer is closed")
        if self._producer is not None:
            return self._producer
        producer = None
        try:
            producer = self._connect()
            producer.init_transactions()
        except errors.KafkaError as error:
            if producer is not None:
                producer.kill()
            raise self._judge(error) from error
        return producer

    def _went_through(self, positions: Positions, in_doubt: Positions) -> bool:
        """Whether the last commit, of which we had no answer, was carried out. Raises Transient.

        Its partitions are still ours, so nobody else can have moved their positions. Other
        positions than its own: it was given up, and whoever has its partitions now goes on.
        """
        done = False
        if positions and positions.items() <= in_doubt.items():
            stored = self._committed(positions)
            done = all(stored.get(p, -1) >= offset for p, offset in positions.items())
            _log.info("a commit was in doubt", went_through=done)
        self._in_doubt = None
        return done

    def _give_up(self, producer: BoundedProducer) -> None:
        """Abort, so that readers need not wait, and replace the producer whatever comes of it."""
        with contextlib.suppress(errors.KafkaError):
            producer.abort_transaction(_ABORT_S)
        producer.kill()
        self._producer = None

    def _judge(self, found: errors.KafkaError) -> WorkerError:
        error = cause_of(found)
        if isinstance(error, _FENCED):
            self._fenced.append(time.monotonic())
            often = len(self._fenced) == _FENCES
            if often and self._fenced[-1] - self._fenced[0] < _FENCES_WITHIN_S:
                return Fatal(
                    f"another process keeps using the transactional id {self._id}: give each "
                    "worker its own (setting worker.transactional_id)"
                )
        refused = isinstance(error, errors.TransactionalIdAuthorizationFailedError)
        return translate(error, "Write", self._id if refused else None)

    def close(self) -> None:
        """Abort what is open and close."""
        self._closed = True
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(errors.KafkaError):
                producer.abort_transaction(_ABORT_S)
            producer.kill()
