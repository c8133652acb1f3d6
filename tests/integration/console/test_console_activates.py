"""An activation by button reaches a real Redis: workers hear of it at once."""

from pathlib import Path

import pytest

from tests.console.floor import Floor
from workers.runtime.registry.registry import Registry
from workers.runtime.servers.embedded import EmbeddedStore
from workers.runtime.settings.process import RedisSettings
from workers.runtime.store.files import open_blobs
from workers.runtime.store.redis import RedisStore

pytestmark = pytest.mark.integration

OLD, NEW = "1" * 16, "2" * 16


def test_workers_hear_of_an_activation_by_button(tmp_path: Path) -> None:
    with EmbeddedStore() as valkey:
        floor = Floor(tmp_path, redis_url=valkey.url)
        blobs = open_blobs(floor.settings.models.store)
        worker = Registry(blobs, RedisStore(RedisSettings(url=valkey.url)))
        for version in (OLD, NEW):
            worker.push(["bolts"], version, b"{}", b"x")
        worker.activate("bolts", OLD, "ada", "first")
        assert worker.active("bolts") == OLD
        changes = worker.changes()
        while changes.wait(0.05):
            pass
        client = floor.browser("emil")
        form = {"act": "activate", "version": NEW, "why": "new lens", "seen": "1"}
        answer = client.post("/models/bolts", data={**form, "token": floor.token(client)})
        assert answer.status_code == 303, answer.text
        assert changes.wait(10)
        assert worker.active("bolts") == NEW  # by Redis: the old pointer would hold for a minute
        floor.database.close()
