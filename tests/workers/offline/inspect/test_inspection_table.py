"""A file's name is shown as it is, on any console."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from workers.offline.inspect.table import add_inspection, inspections
from workers.runtime.host.terminal import Terminal, plain
from workers.runtime.listing import Form

NASTY = ("[bold].jpg", "[link=x.png]x.png", "[/].png", "\x1b[2J.png", "a\nb.png", "\udcff.png")


@pytest.mark.parametrize("console", [Console, Terminal])
@pytest.mark.parametrize("name", NASTY)
def test_names_of_files_are_shown_whole(name: str, console: type[Console]) -> None:
    verdict = SimpleNamespace(
        grade=SimpleNamespace(value="pass"), regions=(), image_score=1.0, image_threshold=2.0
    )
    result: Any = SimpleNamespace(path=Path(name), verdict=verdict, counterpart=None)
    out = io.StringIO()
    listing = inspections(console(file=out, width=150), Form.TABLE)
    add_inspection(listing, result)
    listing.close()
    assert plain(name) in out.getvalue()
    assert all(line.isprintable() for line in out.getvalue().split("\n"))
