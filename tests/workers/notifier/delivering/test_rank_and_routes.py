"""Which alarm goes first, and which channel gets it."""

import pytest
from alarms import alarm, critical, notice

from schemas.alarm import AlarmKind, Severity
from schemas.part import PartRef
from workers.notifier.delivering.rank import Ranks
from workers.notifier.delivering.routing import takes
from workers.notifier.settings import RouteSettings


def test_a_defect_comes_before_what_is_critical_and_that_before_notices() -> None:
    ranks = Ranks()
    order = [critical(alarm(1)), alarm(2), critical(notice(3)), notice(4)]
    found = [ranks.rank(each, 0) for each in order]
    assert found == sorted(set(found))


def test_a_repetition_comes_after_all_news() -> None:
    ranks = Ranks()
    first = ranks.rank(alarm(1), 0)
    again = ranks.rank(alarm(2, camera_id="cam-1"), 30)
    assert again > ranks.rank(notice(3), 31) > first


def test_a_louder_alarm_of_the_same_camera_is_news() -> None:
    ranks = Ranks()
    first = ranks.rank(alarm(1), 0)
    louder = ranks.rank(critical(alarm(2, camera_id="cam-1")), 1)
    again = ranks.rank(critical(alarm(3, camera_id="cam-1")), 2)
    assert louder < first < again


def test_after_a_while_it_is_news_again() -> None:
    ranks = Ranks()
    assert ranks.rank(alarm(1), 0) == ranks.rank(alarm(2, camera_id="cam-1"), 700)


@pytest.mark.parametrize(
    ("rule", "taken"),
    [
        ({}, True),
        ({"cameras": ["cam-*"]}, True),
        ({"cameras": ["line-*", "cam-7"]}, True),
        ({"cameras": ["Cam-7"]}, False),
        ({"categories": ["fry*"]}, True),
        ({"categories": ["candle"]}, False),
        ({"causes": ["camera-silent"]}, False),
        ({"kinds": [AlarmKind.DEFECT]}, True),
        ({"kinds": [AlarmKind.NOT_INSPECTED]}, False),
        ({"min_severity": Severity.CRITICAL}, False),
        ({"cameras": ["cam-7"], "min_severity": Severity.CRITICAL}, False),
    ],
)
def test_a_rule_says_which_alarms_a_channel_gets(rule: dict, taken: bool) -> None:
    assert takes(RouteSettings(**rule), alarm(7)) is taken


def test_a_channel_without_a_rule_gets_everything() -> None:
    assert takes(None, notice(1))


PARTS = [PartRef(id="1", lot="L-16"), PartRef(id="2", lot="L-17", attributes={"cavity": "3"})]


@pytest.mark.parametrize(
    ("parts", "wanted", "taken"),
    [
        (PARTS, {"lot": ["L-17"]}, True),
        (PARTS, {"lot": ["L-17"], "cavity": ["3"]}, True),
        (PARTS, {"lot": ["L-16"], "cavity": ["3"]}, False),  # of two different parts
        (PARTS, {"lot": ["L-2*"]}, False),
        ([], {"lot": ["L-17"]}, False),
        (PARTS * 10, {"lot": ["L-2*"]}, True),  # of the ones that it does not list
    ],
)
def test_a_channel_may_want_alarms_of_some_parts_only(
    parts: list[PartRef], wanted: dict[str, list[str]], taken: bool
) -> None:
    made = alarm(7, parts=parts, count=40)
    assert takes(RouteSettings(parts=wanted), made) is taken
