"""Every link leads somewhere, every command and option exists, every block of code is right."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from tests.docs.commands import lines_of, problem
from tests.docs.markdown import ROOT, Block, Page, pages, read
from workers.config.command import SETTINGS, settings_class
from workers.runtime.categories import CategorySettings
from workers.runtime.errors import SettingsError

PAGES = pages()
BLOCKS = [block for page in PAGES for block in page.blocks]
SHELL = {"", "sh", "bash", "shell", "console"}
_OURS = re.compile(
    r"(?:docs|schemas|configs|workers|stream_inspector|tests|helm|benchmarks)/[\w./-]+[\w/]"
)

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks(*languages: str) -> pytest.MarkDecorator:
    found = [block for block in BLOCKS if block.language in languages]
    return pytest.mark.parametrize("block", found, ids=str)


def broken_link(page: Page, target: str) -> str | None:
    """Why a link leads nowhere."""
    if re.match(r"[a-z]+:", target):
        return None  # another site: not asked here
    path, _, anchor = unquote(target).partition("#")
    file = (page.path.parent / path).resolve() if path else page.path
    if not file.exists():
        return f"{target}: no such file"
    if anchor and file.suffix == ".md" and anchor not in read(file, file.parent).anchors():
        return f"{target}: no such heading"
    return None


@every_page
def test_links_lead_somewhere(page: Page) -> None:
    found = [(line, broken_link(page, target)) for line, target in page.links()]
    assert [each for each in found if each[1]] == []


def test_the_index_lists_every_page() -> None:
    docs = ROOT / "docs"
    linked = {target.partition("#")[0] for _, target in read(docs / "README.md").links()}
    assert {path.name for path in docs.glob("*.md")} - linked == {"README.md"}


@every_page
def test_files_that_are_named_are_there(page: Page) -> None:
    named = [(line, text) for line, text in page.spans() if _OURS.fullmatch(text)]
    assert [(line, text) for line, text in named if not (ROOT / text).exists()] == []


@every_page
def test_commands_in_the_text_exist(page: Page) -> None:
    found = [
        (number, problem(words, whole=False))
        for number, text in page.spans()
        for words in lines_of(text)
    ]
    assert [each for each in found if each[1]] == []


@blocks(*SHELL)
def test_commands_in_a_block_are_right(block: Block) -> None:
    found = [problem(words, whole=True) for words in lines_of(block.text)]
    assert [each for each in found if each] == []


@blocks("json")
def test_json_can_be_read(block: Block) -> None:
    json.loads(block.text)


PYTHON = [(str(block), block.text) for block in BLOCKS if block.language == "python"]
PYTHON += [
    (file.relative_to(ROOT).as_posix(), file.read_text())
    for file in sorted((ROOT / "docs" / "examples").rglob("*.py"))
]


@pytest.mark.parametrize(("where", "text"), PYTHON, ids=[where for where, _ in PYTHON])
def test_python_compiles(where: str, text: str) -> None:
    compile(text, where, "exec")


@blocks("yaml")
def test_yaml_is_what_somebody_reads(block: Block, tmp_path: Path) -> None:
    for text in re.split(r"^---$", block.text, flags=re.MULTILINE):
        content = yaml.safe_load(text)
        file = tmp_path / "block.yaml"
        file.write_text(text)
        assert unreadable(content, file) is None


def unreadable(content: Any, file: Path) -> str | None:
    """Why neither a process, a category, the chart nor Kubernetes could use a YAML block."""
    if not isinstance(content, dict):
        return "no mapping"
    if {"apiVersion", "kind"} <= set(content) or "services" in content:
        return None  # Kubernetes' or Compose's own: their schemas are checked elsewhere
    reasons = [*_settings_reasons(content, file), *_chart_reasons(content)]
    fits = any(reason is None for reason in reasons)
    return None if fits else f"nobody reads {', '.join(content)}: {[r for r in reasons if r]}"


def _settings_reasons(content: dict[str, Any], file: Path) -> list[str | None]:
    found: list[str | None] = []
    for process in SETTINGS:
        cls = settings_class(process)
        if set(content) <= set(cls.model_fields):
            try:
                cls.load(file)
                found.append(None)
            except SettingsError as error:
                found.append(f"{process}: {error}")
    if set(content) <= set(CategorySettings.model_fields):
        try:
            CategorySettings.model_validate(content)
            found.append(None)
        except ValidationError as error:
            found.append(str(error))
    return found


def _chart_reasons(content: dict[str, Any]) -> list[str | None]:
    chart = ROOT / "helm" / "stream-inspector"
    values = yaml.safe_load((chart / "values.yaml").read_text())
    if not set(content) <= set(values):
        return []
    schema = json.loads((chart / "values.schema.json").read_text())
    errors = Draft202012Validator(schema).iter_errors(_merged(values, content))
    return [next((error.message for error in errors), None)]


def _merged(below: Any, above: Any) -> Any:
    """As Helm lays values over values."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: _merged(below.get(key), value) for key, value in above.items()}


def test_pictures_of_the_console_are_small_and_shown() -> None:
    page = (ROOT / "docs" / "console.md").read_text()
    pictures = sorted((ROOT / "docs" / "console").iterdir())
    assert len(pictures) >= 6
    assert sum(picture.stat().st_size for picture in pictures) < 600_000
    assert [p.name for p in pictures if f"](console/{p.name})" not in page] == []
