"""Takes Markdown apart: fenced blocks, code spans, links, and the anchors of headings."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_SKIPPED = {".venv", "node_modules", "runs", "build"}

_FENCE = re.compile(r"^(?P<indent> *)(?P<marks>`{3,}|~{3,})(?P<language>[\w+-]*)")
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")
_HEADING = re.compile(r"^#{1,6} +(.*?)(?: +#+)?$")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Page:
    """A Markdown file: its blocks, and its other lines with their numbers."""

    path: Path
    blocks: tuple[Block, ...]
    prose: tuple[tuple[int, str], ...]

    @property
    def name(self) -> str:
        """Relative to the repository."""
        return self.path.relative_to(ROOT).as_posix()

    def links(self) -> Iterator[tuple[int, str]]:
        """Targets, with their lines. Those in code spans are no links."""
        for number, line in self.prose:
            for target in _LINK.findall(_SPAN.sub("", line)):
                yield number, target

    def spans(self) -> Iterator[tuple[int, str]]:
        """Code spans, with their lines."""
        for number, line in self.prose:
            for text in _SPAN.findall(line):
                yield number, text

    def anchors(self) -> set[str]:
        """As GitHub makes them of headings."""
        found: dict[str, int] = {}
        anchors = set()
        for _, line in self.prose:
            heading = _HEADING.match(line)
            if heading:
                slug = _slug(heading[1])
                count = found.get(slug, 0)
                found[slug] = count + 1
                anchors.add(f"{slug}-{count}" if count else slug)
        return anchors


def pages(root: Path = ROOT) -> list[Page]:
    """Every Markdown file."""
    found = sorted(root.rglob("*.md"))
    return [read(path, root) for path in found if not _SKIPPED & set(path.relative_to(root).parts)]


def read(path: Path, root: Path = ROOT) -> Page:
    """One file."""
    blocks: list[Block] = []
    prose: list[tuple[int, str]] = []
    name, lines = path.relative_to(root).as_posix(), path.read_text().splitlines()
    number = 0
    while number < len(lines):
        fence = _FENCE.match(lines[number])
        if fence is None:
            prose.append((number + 1, _COMMENT.sub("", lines[number])))
            number += 1
            continue
        start, inside = number, []
        number += 1
        while number < len(lines) and lines[number].strip() != fence["marks"]:
            inside.append(lines[number].removeprefix(fence["indent"]))
            number += 1
        number += 1
        blocks.append(Block(name, start + 1, fence["language"], "\n".join(inside)))
    return Page(path, tuple(blocks), tuple(prose))


def _slug(heading: str) -> str:
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
