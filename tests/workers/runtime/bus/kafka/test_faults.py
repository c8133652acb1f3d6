"""The faults of kafka-python that kafka/faults.py works around are still there, and it still fits.

When one of these fails, the client has changed: read kafka/faults.py again and take out what is not
needed any more.
"""

import inspect
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import KafkaProducer, TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.coordinator.base import BaseCoordinator
from kafka.errors import KafkaConnectionError, KafkaTimeoutError, UnknownError
from kafka.producer.future import FutureProduceResult, FutureRecordMetadata
from kafka.producer.record_accumulator import RecordAccumulator
from kafka.producer.sender import Sender
from kafka.producer.transaction_manager import TransactionalRequestResult, TransactionManager

from workers.runtime.bus.kafka.faults import BoundedProducer, flush, prepare_poll

USED_UP: list[int] = []  # as false as records that are used up
P = TopicPartition("frames", 0)


def parked() -> Any:
    """A fetcher that has read one partition to its end, with records of a resumed one put aside."""
    fetcher: Any = Fetcher.__new__(Fetcher)
    fetcher._next_in_line_exception_metadata = None
    fetcher._paused_completed_fetches, fetcher._completed_fetches = {}, []
    fetcher._next_partition_records = USED_UP
    fetcher._paused_partition_records = {P: USED_UP}
    fetcher._subscriptions = SimpleNamespace(is_paused=lambda tp: False)
    return fetcher


def test_the_client_still_forgets_what_it_put_aside_for_a_paused_partition() -> None:
    fetcher = parked()
    fetcher.fetched_records(1)
    assert P in fetcher._paused_partition_records


def test_what_was_put_aside_is_taken_up() -> None:
    fetcher, coordinator = parked(), SimpleNamespace(_join_task=None, rejoin_needed=False)
    prepare_poll(SimpleNamespace(_fetcher=fetcher, _coordinator=coordinator))
    fetcher.fetched_records(1)
    assert fetcher._paused_partition_records == {}
    assert not coordinator.rejoin_needed


def test_the_client_still_ignores_a_join_that_is_done_when_nothing_else_asks_for_one() -> None:
    coordinator: Any = SimpleNamespace(
        _use_group_apis=True, _join_task="done", need_rejoin=lambda: False
    )
    with pytest.raises(StopIteration) as ended:
        BaseCoordinator.join_group_async(coordinator, timeout_ms=0).send(None)
    assert (ended.value.value, coordinator._join_task) == (True, "done")


def test_a_join_that_was_begun_is_looked_at() -> None:
    coordinator = SimpleNamespace(_join_task="done", rejoin_needed=False)
    prepare_poll(SimpleNamespace(_fetcher=parked(), _coordinator=coordinator))
    assert coordinator.rejoin_needed


def commit_while_disconnected(await_ready: Any) -> tuple[TransactionManager, Any]:
    """One round of the sender with a request for a coordinator that cannot be reached."""
    manager = TransactionManager(transactional_id="t", transaction_timeout_ms=1000)
    manager._transaction_coordinator = 1
    manager.initialize_transactions()
    handler = manager._pending_requests[0][2]
    client = SimpleNamespace(await_ready=await_ready, cluster=None)
    accumulator = SimpleNamespace(has_incomplete=False)
    sender = Sender(client, None, accumulator, transaction_manager=manager)
    sender._maybe_send_pending_request()
    return manager, handler


def pending(manager: TransactionManager) -> list[Any]:
    return [handler for _, _, handler in manager._pending_requests]


def test_the_client_still_drops_a_request_whose_coordinator_is_away() -> None:
    def away(node: int, timeout_ms: float) -> bool:
        raise KafkaConnectionError("away")

    manager, handler = commit_while_disconnected(away)
    assert handler not in pending(manager)


def test_it_is_kept_when_not_ready_is_said_by_false() -> None:
    manager, handler = commit_while_disconnected(lambda node, timeout_ms: False)
    assert handler in pending(manager)


@pytest.mark.parametrize(
    "call", ["commit_transaction", "abort_transaction", "send_offsets_to_transaction"]
)
def test_the_client_still_waits_without_a_limit(call: str) -> None:
    assert "result.wait()" in inspect.getsource(getattr(KafkaProducer, call))


def test_offsets_of_an_aborted_transaction_still_leak_into_the_next() -> None:
    source = inspect.getsource(TransactionManager)
    assert "_pending_txn_offset_commits.clear" not in source


def test_our_producer_gives_up() -> None:
    producer: Any = BoundedProducer.__new__(BoundedProducer)
    producer._closed, producer._patience_s = True, 0.01
    producer._sender = SimpleNamespace(wakeup=lambda: None)
    never = TransactionalRequestResult()
    manager = SimpleNamespace(begin_commit=lambda: never, begin_abort=lambda: never)
    producer._transaction_manager = manager
    with pytest.raises(KafkaTimeoutError, match=r"transaction commit: no answer within 0\.01 s"):
        producer.commit_transaction()
    with pytest.raises(KafkaTimeoutError, match="abort"):
        producer.abort_transaction()


def splitting() -> Any:
    """A producer whose one batch is split while it is flushed."""
    accumulator = RecordAccumulator()
    batch = SimpleNamespace(produce_future=FutureProduceResult(P))
    accumulator._incomplete = SimpleNamespace(all=lambda: [batch])
    record = FutureRecordMetadata(batch.produce_future, 0, 0, None, 0, 0, 0)
    record.rebind(FutureProduceResult(P), 0)
    return SimpleNamespace(flush=accumulator.await_flush_completion)


def test_the_client_still_takes_a_batch_that_was_split_for_lost() -> None:
    with pytest.raises(UnknownError, match="Future not done"):
        splitting().flush(timeout=1)


def test_a_batch_that_was_split_is_not_taken_for_lost() -> None:
    flush(splitting(), 1.0)
