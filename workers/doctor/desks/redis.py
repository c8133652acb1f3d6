"""The checks that ask Redis."""

from workers.doctor.checks import clocks as clock_checks
from workers.doctor.checks import redis as redis_checks
from workers.doctor.findings import Check, Finding, failed, ok, skipped
from workers.runtime.errors import WorkerError
from workers.runtime.store.redis_survey import RedisFacts, RedisSurvey

REACHABLE = "Redis: reachable"
_START = "start it, name the right one, or open the network between"
_TLS = "write redis:// for a port without TLS and rediss:// for one with it, or name the other port"
_GRANT = (
    "let its user run PING, SET, GET, GETRANGE, DEL, INCRBY, EXPIRE, MULTI, EXEC, PUBLISH, "
    "SUBSCRIBE on keys and channels stream-inspector:*, in-work:*, attempts:*"
)


class RedisDesk:
    """Asks Redis."""

    def __init__(self, survey: RedisSurvey, *, required: bool) -> None:
        self._survey, self._required = survey, required
        self._facts: RedisFacts | None = None

    def checks(self) -> list[Check]:
        """The first one tells whether the others make sense."""
        return [
            Check("Redis", "reachable", self._reach, do=_START, setting="redis.url"),
            Check("Redis", "rights", self._try, REACHABLE, do=_GRANT, setting="redis.username"),
            Check("Redis", "memory", lambda: redis_checks.judge_memory(self._known), REACHABLE),
            Check(
                "Redis",
                "persistence",
                lambda: redis_checks.judge_persistence(self._known),
                REACHABLE,
            ),
        ]

    def clock(self) -> list[Finding]:
        """Its clock against ours."""
        return clock_checks.judge_offset("Redis", *clock_checks.ask_offset(self._survey.time_s))

    @property
    def _known(self) -> RedisFacts:
        if self._facts is None:
            raise WorkerError("Redis was not reached")
        return self._facts

    def _reach(self) -> list[Finding]:
        try:
            self._facts = self._survey.facts()
        except WorkerError as error:
            if "SSL" in str(error):
                return [failed(str(error), _TLS, "redis.url")]
            if self._required:
                raise
            says = f"{error}; the worker starts without it (models.require_redis: false)"
            return [skipped(says, "bring it back: without it no frame that kills workers is found")]
        return redis_checks.judge_server(self._facts)

    def _try(self) -> list[Finding]:
        self._survey.try_commands()
        return [ok("keys can be written, read and counted, changes told")]
