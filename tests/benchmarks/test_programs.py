"""Programs that other processes run: a name that moved is noticed here, not in a long test."""

from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [
    *(ROOT / "benchmarks").rglob("*.py"),
    *(ROOT / "tests").rglob("*_worker.py"),
    *(ROOT / "tests").rglob("*_process.py"),
]
PROGRAMS = sorted(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in FILES)


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_it_imports_is_there(name: str) -> None:
    import_module(name)
