"""What was answered survives a crash and a full disk, in bounded room."""

from dataclasses import replace
from pathlib import Path

import pytest

from schemas.part import PartRef
from tests.workers.gate.parts import answer
from workers.gate.answers import Decision
from workers.gate.journal import FILES, Journal, read
from workers.runtime.errors import SettingsError


def test_answers_are_read_as_they_were_written(tmp_path: Path) -> None:
    given = [answer(0), answer(1, Decision.NOT_INSPECTED), answer(2, Decision.REJECT)]
    with Journal(tmp_path) as journal:
        journal.note(given[:2])
        journal.note(given[2:])
    found = list(read(tmp_path))
    assert [(each.key, each.decision, each.reject) for each in found] == [
        (each.key, each.decision, each.reject) for each in given
    ]


def test_who_the_part_is_is_written_down(tmp_path: Path) -> None:
    who = PartRef(id="7", lot="L-17", attributes={"cavity": "3"})
    with Journal(tmp_path) as journal:
        journal.note([replace(answer(0), who=who), answer(1)])
    assert [each.who for each in read(tmp_path)] == [who, None]


def test_a_line_that_was_cut_short_costs_itself_only(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.note([answer(0), answer(1)])
    whole = (tmp_path / FILES[1]).read_text()
    (tmp_path / FILES[1]).write_text(whole[:-20])
    with Journal(tmp_path) as journal:
        journal.note([answer(2)])
    assert [each.key.number for each in read(tmp_path)] == [0, 2]


@pytest.mark.parametrize("line", ["", "null", "[]", '{"part": "x"}', '{"captured_at": 1}', "\x00"])
def test_whatever_a_line_holds_is_passed_over(tmp_path: Path, line: str) -> None:
    with Journal(tmp_path) as journal:
        journal.note([answer(0)])
    with (tmp_path / FILES[1]).open("a") as file:
        file.write(line + "\n")
    assert [each.key.number for each in read(tmp_path)] == [0]


def test_it_stays_small_and_keeps_the_newest(tmp_path: Path) -> None:
    with Journal(tmp_path, most_bytes=2000) as journal:
        for number in range(100):
            journal.note([answer(number)])
    found = [each.key.number for each in read(tmp_path)]
    assert found == list(range(found[0], 100))
    assert len(found) >= 8
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 5000


def test_two_gates_need_two_folders(tmp_path: Path) -> None:
    with Journal(tmp_path), pytest.raises(SettingsError, match="another gate uses it"):
        Journal(tmp_path).__enter__()
    with Journal(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"gate\.folder.*file"):
        Journal(tmp_path / "file" / "gate").__enter__()


def test_a_disk_that_takes_nothing_costs_the_memory_only(tmp_path: Path) -> None:
    with Journal(tmp_path, most_bytes=1) as journal:
        journal.note([answer(0)])
        (tmp_path / FILES[0]).mkdir()  # so the full file cannot be put aside
        journal.note([answer(1)])
        assert journal.failing
        (tmp_path / FILES[0]).rmdir()
        journal.note([answer(2)])
        assert not journal.failing
    assert [each.key.number for each in read(tmp_path)] == [0, 2]
