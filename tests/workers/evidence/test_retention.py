"""Which cases go: by age, by a category's room, by the whole; and which never do."""

from typing import Any

import pytest
from pydantic import ValidationError

from workers.evidence.retention import Fates, Known, Stock, decide, without_record
from workers.runtime.evidence.settings import KeepSection
from workers.runtime.store.ports import Blob

NOW, DAY = 1_800_000_000.0, 86_400.0


def known(name: str, days: float, grade: str = "defect", **given: Any) -> Known:
    given = {"category": "bolts", "pictures": (f"{name}.png",)} | given
    return Known(name, grade=grade, at=NOW - days * DAY, **given)


def fates(
    live: list[Known], keep: dict[str, Any], size: int = 10**9, **others: list[Known]
) -> Fates:
    expired, loose = others.get("expired", []), others.get("loose", [])
    names = {n: Blob(n, size, NOW) for c in [*live, *expired, *loose] for n in c.pictures}
    stock = Stock(live, expired, loose, names)
    return decide(stock, KeepSection.model_validate(keep), NOW)


def test_a_defect_stays_longer_than_a_near_miss() -> None:
    old = [
        known("d", 15),
        known("n", 15, "near_miss"),
        known("d2", 91),
        known("n2", 13, "near_miss"),
    ]
    found = fates(old, {})
    assert found.expire == {"n": "near_miss of bolts: 14 days", "d2": "defect of bolts: 90 days"}


def test_a_category_has_days_of_its_own() -> None:
    keep = {"categories": {"bottle": {"defect": {"days": 365}}}}
    found = fates([known("b", 100, category="bottle"), known("o", 100)], keep)
    assert set(found.expire) == {"o"}


def test_beyond_a_categorys_room_its_oldest_go() -> None:
    cases = [known(str(age), age) for age in (1, 2, 3)] + [known("x", 80, category="nuts")]
    found = fates(cases, {"categories": {"bolts": {"defect": {"gb": 2}}}})
    assert found.expire == {"3": "defect of bolts: at most 2 GB"}


def test_beyond_the_whole_near_misses_go_first_then_the_oldest_defects() -> None:
    cases = [
        known("d5", 5),
        known("n1", 1, "near_miss"),
        known("n2", 2, "near_miss"),
        known("d4", 4),
    ]
    assert list(fates(cases, {"max_gb": 3}).expire) == ["n2"]
    assert list(fates(cases, {"max_gb": 1}).expire) == ["n2", "n1", "d5"]


def test_a_picture_that_cases_share_is_counted_once_and_frees_nothing_alone() -> None:
    shared = [known("a", 3, pictures=("s.png",)), known("b", 2, pictures=("s.png",))]
    assert not fates(shared, {"max_gb": 1}).expire
    found = fates([*shared, known("c", 1)], {"max_gb": 1})
    assert list(found.expire) == ["a", "b"]  # the first of them alone would have freed nothing


def test_what_is_held_stays_and_is_counted() -> None:
    cases = [known("h", 500, held=True), known("d", 5)]
    found = fates(cases, {"max_gb": 1})
    assert list(found.expire) == ["d"]
    assert fates(cases[:1], {"max_gb": 0.5}).excess == 5 * 10**8


def test_what_is_younger_than_an_hour_stays_whatever_the_bound() -> None:
    found = fates([known("new", 0.01)], {"max_gb": 0.1})
    assert not found.expire
    assert found.excess == 9 * 10**8


def test_a_picture_without_a_record_is_kept_as_a_defect_is() -> None:
    loose = [without_record(Blob(name, 1, NOW - age * DAY)) for name, age in (("a", 91), ("b", 89))]
    found = fates([], {}, loose=loose)
    assert found.drop == {"a": "no record: 90 days"}


def test_notices_go_in_their_time_and_take_a_tenth_of_the_room_at_most() -> None:
    gone = [known(str(age), age, pictures=(f"{age}.png",)) for age in (1, 2, 400)]
    assert fates([], {}, expired=gone).forget == {"400"}
    assert fates([], {"max_gb": 15}, expired=gone).forget == {"2", "400"}


def test_whatever_was_stored_the_bound_holds() -> None:
    cases = [known(str(n), n % 80 + 1, ("defect", "near_miss")[n % 2]) for n in range(200)]
    found = fates(cases, {"max_gb": 20}, size=10**8 * 3)
    assert (200 - len(found.expire)) * 3 * 10**8 <= 20 * 10**9
    assert found.excess == 0


@pytest.mark.parametrize(
    "keep",
    [
        {"near_miss": {"days": 91}},
        {"near_miss": {"days": None}},
        {"categories": {"bottle": {"defect": {"days": 7}}}},
    ],
)
def test_a_near_miss_that_outlives_a_defect_is_refused(keep: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"near_miss\.days .* must be at most"):
        KeepSection.model_validate(keep)
