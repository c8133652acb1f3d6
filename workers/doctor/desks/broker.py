"""The checks that ask the broker. What one has learnt is kept for those after it."""

import time
from collections.abc import Sequence
from functools import partial

from workers.doctor.checks import broker as broker_checks
from workers.doctor.checks import clocks as clock_checks
from workers.doctor.checks.topics import judge_topic
from workers.doctor.findings import Check, Finding, ok, skipped
from workers.doctor.needs import TopicNeed, needs_of
from workers.runtime.bus.kafka.admin.survey import BrokerFacts, Survey, TopicFacts
from workers.runtime.errors import AdvertisedUnreachable, WorkerError
from workers.runtime.settings.process import ProcessSettings

REACHABLE = "broker: reachable"
_START = "start it, name the right one, or open the network between"
_SERVERS = "kafka.bootstrap_servers"


class BrokerDesk:
    """Asks the broker; its answers are the base of several checks."""

    def __init__(self, survey: Survey, settings: ProcessSettings, cameras: Sequence[str]) -> None:
        self._survey, self._settings = survey, settings
        self._needs = needs_of(settings)
        self._cameras = tuple(cameras) or self._needs.cameras
        self._facts: BrokerFacts | None = None

    def checks(self) -> list[Check]:
        """In the order in which a process would notice."""
        needs = self._needs
        found = [
            Check("broker", "reachable", self._reach, do=_START, setting=_SERVERS),
            Check("broker", "transactions", self._judge_transactions, REACHABLE),
            Check("broker", "restart", self._judge_single, REACHABLE),
            Check("broker", "timeouts", self._judge_timeouts, REACHABLE),
        ]
        for need in needs.topics:
            name = self._name(need)
            found.append(Check("broker", f"topic {name}", partial(self._topic, need), REACHABLE))
        if any(need.key == "frames" for need in needs.topics):
            found.append(Check("broker", "spread of cameras", self._spread, REACHABLE))
        if needs.group:
            found.append(Check("broker", f"group {needs.group}", self._group, REACHABLE))
        if needs.transactional:
            found.append(Check("broker", "transactional id", self._transactional_id, REACHABLE))
        return found

    def newest_frame(self) -> list[Finding]:
        """The clock of the cameras."""
        frames = self._settings.topics.frames
        if not isinstance(self._survey.topic(frames), TopicFacts):
            return [skipped("no frames topic to be seen")]
        return clock_checks.judge_newest(self._survey.newest_timestamp_ms(frames), time.time())

    def _name(self, need: TopicNeed) -> str:
        return str(getattr(self._settings.topics, need.key))

    def _reach(self) -> list[Finding]:
        try:
            self._facts = self._survey.broker()
        except AdvertisedUnreachable as error:
            return [broker_checks.advertised(str(error))]
        return broker_checks.judge_version(self._facts)

    @property
    def _known(self) -> BrokerFacts:
        if self._facts is None:
            raise WorkerError("the broker was not reached")
        return self._facts

    def _judge_transactions(self) -> list[Finding]:
        return broker_checks.judge_transactions(self._known, self._needs)

    def _judge_single(self) -> list[Finding]:
        return broker_checks.judge_single(self._known, self._settings.kafka, self._needs)

    def _judge_timeouts(self) -> list[Finding]:
        return broker_checks.judge_timeouts(self._known, self._settings.kafka)

    def _topic(self, need: TopicNeed) -> list[Finding]:
        name, topics = self._name(need), self._settings.topics
        return judge_topic(name, self._survey.topic(name), need, topics, self._known)

    def _spread(self) -> list[Finding]:
        frames = self._settings.topics.frames
        found = self._survey.topic(frames)
        if not isinstance(found, TopicFacts):
            return [skipped("no frames topic to be seen")]
        written = {} if self._cameras else self._survey.written(frames)
        return broker_checks.judge_spread(self._needs, found.partitions, self._cameras, written)

    def _group(self) -> list[Finding]:
        topic = str(getattr(self._settings.topics, self._needs.reads))
        if not isinstance(self._survey.topic(topic), TopicFacts):
            return [skipped(f"no topic {topic} to be seen")]
        facts = self._survey.group(self._needs.group or "", topic)
        return broker_checks.judge_group(facts, self._needs)

    def _transactional_id(self) -> list[Finding]:
        if not self._known.transactions:
            return [skipped("this broker has no transactions")]
        stable = self._needs.transactional_id
        if stable:  # taking it would throw a running worker out
            state = self._survey.transactional_id(stable)
            return [ok(f"{stable}: {state}; whether Write on it is allowed shows at start")]
        name = f"{self._needs.group}-doctor"
        self._survey.try_transactional_id(name)
        return [ok(f"{name} could be taken; those of workers are random, {self._needs.group}-...")]
