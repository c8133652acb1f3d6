"""Parts are chosen by who they are."""

import pytest
import typer

from schemas.part import PartRef
from workers.runtime.part_filter import part_filter

PART = PartRef(id="7", lot="L-17", attributes={"cavity": "3"})


@pytest.mark.parametrize(
    ("flags", "meant"),
    [
        ([], True),
        (["lot=L-17"], True),
        (["lot=L-1*"], True),
        (["lot=L-18", "lot=L-17"], True),
        (["lot=L-17", "cavity=3"], True),
        (["lot=L-17", "cavity=4"], False),
        (["serial=*"], False),
        (["id=7"], True),
        (["lot=l-17"], False),
    ],
)
def test_every_name_has_to_fit_one_of_its_patterns(flags: list[str], meant: bool) -> None:
    assert part_filter(flags).takes(PART) is meant


def test_a_part_of_which_nobody_knows_is_meant_when_nothing_is_asked() -> None:
    assert part_filter(None).takes(None)
    assert not part_filter(["lot=*"]).takes(None)


@pytest.mark.parametrize("flag", ["lot", "=x", "lot="])
def test_a_flag_that_says_nothing_is_refused(flag: str) -> None:
    with pytest.raises(typer.BadParameter, match="WHAT=PATTERN"):
        part_filter([flag])
