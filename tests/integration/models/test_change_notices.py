"""Who waits for changes hears them through a real Valkey, and survives its absence."""

import threading
import time

import pytest
import redis

from workers.runtime.servers.embedded import EmbeddedStore
from workers.runtime.settings.process import RedisSettings
from workers.runtime.store.redis import RedisStore, connect_store

pytestmark = pytest.mark.integration


def test_a_notice_reaches_those_who_listen_to_its_channel() -> None:
    with EmbeddedStore() as server:
        store = connect_store(RedisSettings(url=server.url))
        heard, other = store.listen("a"), store.listen("b")
        assert not heard.wait(0.05)
        threading.Timer(0.2, store.tell, ("a",)).start()
        start = time.monotonic()
        assert heard.wait(5)
        assert time.monotonic() - start < 2
        assert not other.wait(0.05)
        heard.close()


def test_a_cut_connection_is_made_anew() -> None:
    with EmbeddedStore() as server:
        store = connect_store(RedisSettings(url=server.url))
        heard = store.listen("a")
        redis.Redis.from_url(server.url).client_kill_filter(_type="pubsub")
        heard.wait(0.3)
        store.tell("a")
        assert heard.wait(5)


def test_an_outage_is_waited_out_not_raised() -> None:
    with EmbeddedStore() as server:
        heard = RedisStore(RedisSettings(url=server.url, timeout_s=0.2)).listen("a")
    start = time.monotonic()
    assert not heard.wait(1.0)
    assert time.monotonic() - start >= 1.0
