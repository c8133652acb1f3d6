"""Whether the brokers can be reached under the addresses that they name for themselves.

A client asks the bootstrap address once, and from then on talks to what it was told there.
"""

import queue
from typing import Any

from kafka import errors

_SLACK_S = 1.0
_MOST = 5  # addresses that are named


class NotReached(errors.KafkaError):  # type: ignore[misc]
    """A broker answered, and not one of the addresses that it gave did."""

    retriable = True


def reach_advertised(client: Any, timeout_ms: int) -> None:
    """Connect to one of the brokers that the cluster names. Raises NotReached."""
    cluster = getattr(client, "_metadata", None) or client._manager.cluster
    manager = cluster._manager
    answer: queue.SimpleQueue[Any] = queue.SimpleQueue()
    manager.call_soon(_failures, manager, timeout_ms).add_both(answer.put)
    try:
        failures = answer.get(timeout=timeout_ms / 1000 + _SLACK_S)
    except queue.Empty:
        failures = [f"no answer within {timeout_ms} ms"]
    if isinstance(failures, Exception):
        raise failures
    if failures:
        raise NotReached(", ".join(failures[:_MOST]))


async def _failures(manager: Any, timeout_ms: int) -> list[str]:
    """Why no broker can be reached; empty when one can."""
    brokers, found = manager.cluster.brokers(), []
    for broker in brokers:
        try:
            await manager.get_connection(broker.node_id, timeout_ms=timeout_ms // len(brokers))
        except errors.KafkaError as error:
            host = f"[{broker.host}]" if ":" in broker.host else broker.host
            found.append(f"{host}:{broker.port} ({error})")
        else:
            return []
    return found
