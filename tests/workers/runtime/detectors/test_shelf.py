"""Who leaves memory for whom."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.runtime.detectors.loaded import LoadedModel
from workers.runtime.detectors.shelf import NoRoom, Shelf

MIB = 2**20


def model(version: str, size: int = MIB) -> LoadedModel:
    return LoadedModel(version, {}, {}, lambda *_: [], bytes=size)


@pytest.fixture
def shelf() -> Shelf:
    """Full: a, b and c, used in this order."""
    shelf = Shelf(3 * MIB, patience_s=2.0)
    for second, version in enumerate("abc"):
        shelf.put(model(version), 0.0)
        shelf.use(version, float(second))
    return shelf


def leaving(shelf: Shelf, **changes: object) -> list[str] | None:
    given = {"needed": MIB, "keep": (), "busy": (), "asked_at": 10.0, "now": 11.0}
    return shelf.leaving(**given | changes)  # type: ignore[arg-type]


def test_who_was_used_longest_ago_leaves(shelf: Shelf) -> None:
    assert leaving(shelf) == ["a"]
    shelf.use("a", 5.0)
    assert leaving(shelf) == ["b"]
    assert leaving(shelf, needed=2 * MIB) == ["b", "c"]


def test_nobody_leaves_while_there_is_room(shelf: Shelf) -> None:
    shelf.remove("b")
    assert leaving(shelf) == []
    assert shelf.bytes == 2 * MIB


def test_what_must_stay_stays(shelf: Shelf) -> None:
    assert leaving(shelf, keep={"a", "b"}) == ["c"]
    assert leaving(shelf, keep={"a", "b"}, needed=2 * MIB) is None


def test_frames_that_wait_keep_their_model_until_others_have_waited_long(shelf: Shelf) -> None:
    assert leaving(shelf, busy={"a", "b"}) == ["c"]
    assert leaving(shelf, busy={"a", "b", "c"}) is None
    assert leaving(shelf, busy={"a", "b", "c"}, now=12.1) == ["a"]
    assert leaving(shelf, busy={"a", "b"}, needed=2 * MIB, now=12.1) == [
        "c",
        "a",
    ]  # idle ones first


def test_a_model_serves_before_it_leaves() -> None:
    shelf = Shelf(MIB, patience_s=0.0)
    shelf.put(model("a"), 10.0, owed=True)
    assert leaving(shelf, now=11.0) is None
    assert leaving(shelf, now=15.1) == ["a"]  # its frames went elsewhere
    shelf.use("a", 11.0)
    assert leaving(shelf, now=11.1) == ["a"]


def test_no_room_says_the_numbers_and_the_setting(shelf: Shelf) -> None:
    shelf.check("d", 2 * MIB, keep=["a"])
    with pytest.raises(NoRoom) as refused:
        shelf.check("d", 2 * MIB + 1, keep=["a"])
    assert str(refused.value) == (
        "version d needs 3 MiB beside the version in use (1 MiB), 2 of 3 MiB are free: "
        "set models.memory_mb to 4 or more"
    )
    with pytest.raises(NoRoom, match=r"needs 4 MiB, 3 of 3 MiB are free: .* to 4 or more"):
        shelf.check("d", 3 * MIB + 1, keep=[])


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(1, 4)), max_size=40))
@pytest.mark.slow
def test_the_bound_holds_whatever_is_asked(asked: list[tuple[str, int]]) -> None:
    shelf = Shelf(6, patience_s=0.0)
    for now, (version, size) in enumerate(asked):
        if version not in shelf:
            out = shelf.leaving(size, (), (), float(now), float(now))
            assert out is not None
            for each in out:
                shelf.remove(each)
            shelf.put(model(version, size), float(now))
        shelf.use(version, float(now))
        assert version in shelf
        assert shelf.bytes <= 6
