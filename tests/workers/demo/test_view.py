"""The live view shows what cameras and alarms say as text."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from schemas.documents.samples import ALARM, DEFECT
from workers.demo.books.observer import Observer
from workers.demo.books.tally import tally
from workers.demo.view import View
from workers.runtime.host.terminal import Terminal
from workers.runtime.settings.process import TopicSettings

NASTY = ("[bold]x", "[/]", "\x1b]0;title\x07", "\u202eevil", "a\nforged line")


@pytest.mark.parametrize("nasty", NASTY)
def test_names_of_cameras_and_words_of_alarms_do_not_drive_the_terminal(
    nasty: str, tmp_path: Path
) -> None:
    observer = Observer(lambda: None, TopicSettings(), tmp_path / "book")  # type: ignore[arg-type, return-value]
    frame = DEFECT.frame.model_copy(update={"camera_id": nasty})
    observer.defects["1"] = DEFECT.model_copy(update={"frame": frame})
    observer.alarms["1"] = ALARM.model_copy(update={"camera_id": nasty, "message": nasty})
    for kind in (Terminal, Console):
        out = io.StringIO()
        console = kind(file=out, width=150)
        view = View(console, nasty, 10, headless=True)
        console.print(view._screen(tally({}, []), {}, observer, nasty))
        said = out.getvalue()
        if kind is Terminal:
            assert all(line.isprintable() for line in said.split("\n"))
        assert said.count("[bold]x") >= 3 or nasty != "[bold]x"
        assert not any(line.startswith("forged") for line in said.splitlines())
