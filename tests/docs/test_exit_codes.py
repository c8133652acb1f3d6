"""docs/processes.md explains every exit code that the code has."""

import re

from tests.docs.markdown import ROOT, read

_CODE = re.compile(r"^\s*(?:exit_code|_EXIT_\w+|_NOT_FOUND|_UNAVAILABLE) = (\d+)\b", re.MULTILINE)
_SIGNALS = 128  # and above: a signal's number is added


def in_the_code() -> set[int]:
    """As the errors and the commands name them."""
    files = (ROOT / "workers").rglob("*.py")
    return {int(code) for file in files for code in _CODE.findall(file.read_text())}


def in_the_table() -> set[int]:
    """The first column."""
    text = "\n".join(line for _, line in read(ROOT / "docs" / "processes.md").prose)
    section = text.partition("## Exit codes")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| ")]
    return {int(code) for row in rows for code in re.findall(r"\d+", row)}


def test_every_exit_code_is_explained() -> None:
    found = in_the_code()
    assert {65, 69, 70, 75, 77, 78} <= found
    assert {code for code in found if code < _SIGNALS} - in_the_table() == set()
    assert {0, 1, _SIGNALS} <= in_the_table()
