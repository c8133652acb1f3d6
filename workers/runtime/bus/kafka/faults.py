"""Faults of kafka-python 3.0 that would make us wait for ever, and the ways around them.

`test_faults.py` fails when a new version no longer has them, or when this no longer fits.

- `commit_transaction`, `abort_transaction` and `send_offsets_to_transaction` wait without a limit.
- The request of such a call is dropped when the coordinator's connection is down at that moment
  (`Sender._maybe_send_pending_request`, when `await_ready` raises): it would then wait for ever,
  even after the broker is back.
- `close(timeout=0)` raises before it stops the sender when records are still on their way. A sender
  that lives on writes with an old epoch, and the broker aborts its successor's transaction.
- What was fetched for a paused partition is put aside and, once another partition has been read to
  its end, never taken up again: the resumed partition stands still while it looks healthy.
- A group leader that joins again because partitions became known, and whose poll ends before the
  answer is there, never looks at the answer: it holds partitions and reads none of them.
- A member that is put out of its group while it joins again (its process stood still) tells nobody
  that its partitions are lost: it joins as a new member, still holds them, and its old positions
  are taken for those of an owner. What others did meanwhile would be done twice.
- A batch that the broker finds too large is split and sent again, but `flush` takes it for lost
  (`UnknownError: Future not done`), each time: several small records that share a batch would never
  pass a topic of a small limit, and one that is too large would look like a broker that is away.
"""

import contextlib
import time
from collections.abc import Mapping
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, UnknownError

_NOT_READY_PAUSE_S = 0.1
_JOIN_S = 2.0


def prepare_poll(consumer: Any) -> None:
    """Before each poll of a consumer: take up what it would forget."""
    fetcher, coordinator = consumer._fetcher, consumer._coordinator
    # It looks at what it has put aside only while it holds no records, and takes records that are
    # used up for such.
    if not fetcher._next_partition_records:
        fetcher._next_partition_records = None
    if coordinator._join_task is not None:  # begun, not yet taken note of
        coordinator.rejoin_needed = True


def tell_of_loss(consumer: Any) -> None:
    """Make a member that has lost its membership say so before it joins again, whenever it was."""
    coordinator = consumer._coordinator
    reset = coordinator.reset_generation

    def reset_and_prepare(*args: Any, **named: Any) -> None:
        reset(*args, **named)
        coordinator.rejoining = False  # else the preparation, which tells, is taken for done

    coordinator.reset_generation = reset_and_prepare


def flush(producer: Any, timeout_s: float) -> None:
    """Send what waits. Whether it arrived is for the records' own futures to say."""
    with contextlib.suppress(UnknownError):
        producer.flush(timeout=timeout_s)


class BoundedProducer(KafkaProducer):  # type: ignore[misc]
    """A transactional producer whose calls raise KafkaTimeoutError after `patience_s`.

    After any error it must be replaced: offsets of an aborted transaction would be committed with
    the next one (`TransactionManager._pending_txn_offset_commits` is not cleared).
    """

    def __init__(self, patience_s: float, **options: Any) -> None:
        super().__init__(**options)
        self._patience_s = patience_s
        client = self._sender._client
        await_ready = client.await_ready

        def retry_when_not_ready(node_id: int, timeout_ms: float) -> bool:
            try:
                return bool(await_ready(node_id, timeout_ms))
            except KafkaConnectionError:
                time.sleep(_NOT_READY_PAUSE_S)
                return False  # the sender then looks the coordinator up again and retries

        client.await_ready = retry_when_not_ready

    def send_offsets_to_transaction(self, offsets: Mapping[Any, Any], group_metadata: Any) -> None:
        """Add positions. Raises CommitFailedError when the group has moved on."""
        manager = self._transaction_manager
        self._wait(manager.send_offsets_to_transaction(offsets, group_metadata), "positions")

    def commit_transaction(self) -> None:
        """Commit. After a timeout it is not known whether it went through."""
        self._wait(self._transaction_manager.begin_commit(), "commit")

    def abort_transaction(self, patience_s: float | None = None) -> None:
        """Abort."""
        self._wait(self._transaction_manager.begin_abort(), "abort", patience_s)

    def _wait(self, result: Any, what: str, patience_s: float | None = None) -> None:
        patience = self._patience_s if patience_s is None else patience_s
        self._sender.wakeup()
        if not result.wait(timeout_ms=patience * 1000):
            raise KafkaTimeoutError(f"transaction {what}: no answer within {patience:g} s")

    def kill(self) -> None:
        """Stop at once; nothing is written after it returns."""
        self._sender.force_close()
        self._sender.join(_JOIN_S)
        with contextlib.suppress(KafkaError):
            self.close(timeout=0)
