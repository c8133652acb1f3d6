"""Redis: a replica, a full memory and a save that fails are found; a policy is explained."""

from dataclasses import replace

import pytest

from workers.doctor.checks.redis import judge_memory, judge_persistence, judge_server
from workers.runtime.store.redis_survey import RedisFacts, facts_of

MIB = 2**20
SOUND = RedisFacts("valkey", "9.1.2", True, 100 * MIB, 1000 * MIB, "noeviction", True, True)


def test_a_sound_server_is_ok() -> None:
    findings = [*judge_server(SOUND), *judge_memory(SOUND), *judge_persistence(SOUND)]
    assert [finding.status for finding in findings] == ["ok"] * 3


@pytest.mark.parametrize(
    ("facts", "status", "words"),
    [
        (replace(SOUND, writable=False), "failed", "replica"),
        (replace(SOUND, version="5.0.14"), "warning", "older"),
    ],
)
def test_a_server_that_will_not_do(facts: RedisFacts, status: str, words: str) -> None:
    (finding,) = judge_server(facts)
    assert finding.status == status
    assert words in finding.says
    assert finding.setting == "redis.url"


def test_full_memory_fails_where_nothing_is_evicted() -> None:
    full = replace(SOUND, used_bytes=950 * MIB)
    assert judge_memory(full)[0].status == "failed"
    findings = judge_memory(replace(full, policy="allkeys-lru"))
    assert [finding.status for finding in findings] == ["warning", "ok"]


def test_an_evicting_policy_is_fine_and_explained() -> None:
    (finding,) = judge_memory(replace(SOUND, policy="allkeys-lru"))
    assert finding.status == "ok"
    assert "evicts" in finding.says


def test_a_save_that_failed() -> None:
    assert judge_persistence(replace(SOUND, saves=False))[0].status == "failed"
    assert "not kept" in judge_persistence(replace(SOUND, persistent=False))[0].says


def test_facts_are_read_from_info() -> None:
    info = {"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "9.1.2"}
    info |= {"role": "slave", "used_memory": 5, "maxmemory": 9, "maxmemory_policy": "allkeys-lfu"}
    saves = {"rdb_last_bgsave_status": "err", "aof_last_write_status": "ok", "aof_enabled": 1}
    assert facts_of(info | saves) == RedisFacts(
        "valkey", "9.1.2", False, 5, 9, "allkeys-lfu", True, False
    )
    plain = facts_of({"redis_version": "7.2.4"})
    assert (plain.name, plain.version, plain.writable) == ("redis", "7.2.4", True)
    assert (plain.persistent, plain.saves) == (False, True)
