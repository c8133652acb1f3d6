import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.offline.inspect.names import result_names


def named(*paths: str) -> list[str]:
    return result_names([Path(path) for path in paths])


def test_a_name_is_the_stem_where_that_is_clear() -> None:
    assert named("a/1.png", "b/2.png") == ["1", "2"]


def test_folders_tell_files_of_one_name_apart() -> None:
    assert named("x/a/001.jpg", "x/b/001.jpg") == ["a-001", "b-001"]
    assert named("m/test/good/0.png", "m/test/dent/0.png", "m/train/good/0.png") == [
        *("test-good-0", "test-dent-0", "train-good-0")
    ]


def test_suffixes_and_the_case_of_letters_do_too() -> None:
    assert named("a/1.png", "a/1.jpg") == ["1.png", "1.jpg"]
    assert len({name.casefold() for name in named("a/X.png", "b/x.png", "c/a-X.png")}) == 3
    assert len(set(named("a-b/1.png", "a/b-1.png", "a/b/1.png"))) == 3


def test_letters_composed_or_not_are_the_same_on_some_file_systems() -> None:
    one, other = result_names([Path("a/gr\u00f6\u00dfe.png"), Path("a/gro\u0308\u00dfe.jpg")])
    assert unicodedata.normalize("NFC", one) != unicodedata.normalize("NFC", other)


def test_a_name_fits_into_a_file_system() -> None:
    long = ["/".join([letter * 200, "é" * 120 + ".png"]) for letter in "ab"]
    names = named(*long)
    assert len(set(names)) == 2
    assert max(len(os.fsencode(name)) for name in names) < 200


@given(
    st.lists(
        st.from_regex(r"([aA-]{1,2}/){0,2}[aA1-]{1,3}\.(png|jpg)", fullmatch=True), unique=True
    )
)
@pytest.mark.slow
def test_no_two_names_are_the_same(paths: list[str]) -> None:
    names = named(*paths)
    assert len({name.casefold() for name in names}) == len(paths)
