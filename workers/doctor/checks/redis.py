"""Redis: a cache that may be flushed at any time, so little is asked of it."""

from workers.doctor.findings import Finding, Status, failed, ok, or_ok, warning
from workers.runtime.store.redis_survey import RedisFacts

_OLDEST = 6  # with access control lists
_FULL = 0.9


def judge_server(facts: RedisFacts) -> list[Finding]:
    """Version and role."""
    return or_ok((_old(facts), _replica(facts)), f"{facts.name} {facts.version}")


def judge_memory(facts: RedisFacts) -> list[Finding]:
    """How much room there is, and what happens when there is none."""
    limit = f"of {_mb(facts.most_bytes)}" if facts.most_bytes else "and no limit"
    says = f"{_mb(facts.used_bytes)} used {limit}, maxmemory-policy {facts.policy}"
    return or_ok((_full(facts), _evicts(facts)), says)


def judge_persistence(facts: RedisFacts) -> list[Finding]:
    """It may forget everything; a save that fails makes it refuse writes."""
    if not facts.saves:
        return [
            failed(
                "its last save failed: by default it then refuses writes",
                "look into its log; free its disk, or switch saving off",
                "redis.url",
            )
        ]
    kept = "kept" if facts.persistent else "not kept"
    return [ok(f"{kept} over a restart; models come from the store again, marks of crashes do not")]


def _old(facts: RedisFacts) -> Finding | None:
    major = facts.version.partition(".")[0]
    if not major.isdigit() or int(major) >= _OLDEST:
        return None
    says = f"{facts.name} {facts.version} is older than what is tested"
    return warning(says, f"use version {_OLDEST} or newer", "redis.url")


def _replica(facts: RedisFacts) -> Finding | None:
    if facts.writable:
        return None
    return failed("it is a replica: it takes no writes", "name the primary", "redis.url")


def _full(facts: RedisFacts) -> Finding | None:
    if not facts.most_bytes or facts.used_bytes < _FULL * facts.most_bytes:
        return None
    says = f"{_mb(facts.used_bytes)} of {_mb(facts.most_bytes)} are used"
    if facts.policy == "noeviction":
        return failed(f"{says}, then writes fail", "raise maxmemory of this Redis", "redis.url")
    return warning(f"{says}, then keys are evicted", "raise maxmemory of this Redis", "redis.url")


def _evicts(facts: RedisFacts) -> Finding | None:
    if not facts.most_bytes or facts.policy == "noeviction":
        return None
    return Finding(
        Status.OK,
        f"maxmemory-policy {facts.policy} evicts: a model is then read from the store again, and a "
        "mark of a crash may be forgotten, so that a frame that kills workers is found later",
    )


def _mb(count: int) -> str:
    return f"{count / 2**20:.0f} MiB"
