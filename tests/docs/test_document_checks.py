"""The checks of the documents find what they are for."""

from pathlib import Path

import pytest

from tests.docs.commands import lines_of, problem
from tests.docs.markdown import read
from tests.docs.test_documents import broken_link, unreadable

PAGE = """\
# One title

See [there](other.md#a-second-title), [here](#one-title), [nowhere](gone.md), [lost](#lost) and
[outside](https://example.org). `[no](link.md)`

```sh
stream-inspector camera --frames 3  # a comment
```
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "page.md").write_text(PAGE)
    (tmp_path / "other.md").write_text("## A second `title`!\n")
    return tmp_path


def test_broken_links_are_found(folder: Path) -> None:
    page = read(folder / "page.md", folder)
    found = {target: broken_link(page, target) for _, target in page.links()}
    assert found == {
        "other.md#a-second-title": None,
        "#one-title": None,
        "gone.md": "gone.md: no such file",
        "#lost": "#lost: no such heading",
        "https://example.org": None,
    }


def test_a_block_is_no_prose(folder: Path) -> None:
    page = read(folder / "page.md", folder)
    assert [block.language for block in page.blocks] == ["sh"]
    assert not [line for _, line in page.prose if "stream-inspector" in line]
    assert list(lines_of(page.blocks[0].text)) == [["stream-inspector", "camera", "--frames", "3"]]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("stream-inspector camera --frames 3 --rate 5", None),
        ("KAFKA=x stream-inspector dlq list --since 2h", None),
        ("make lint && make test ARGS=-x", None),
        ("stream-inspector camra", "no command camra"),
        ("stream-inspector dlq lost", "stream-inspector dlq has no command lost"),
        ("stream-inspector camera --framez 3", "has no option --framez"),
        ("stream-inspector camera --frames three", "valid int"),
        ("stream-inspector config check nobody", "'nobody' is not one of"),
        ("stream-inspector worker --set worker.batch=1", "no process has the setting worker.batch"),
        ("stream-inspector worker --set worker.batch_max=1", None),
        ("make tests", "no make target tests"),
        ("true && stream-inspector worker --nope", "has no option --nope"),
        ("kafka-topics.sh --list", None),
    ],
)
def test_wrong_commands_are_found(line: str, words: str | None) -> None:
    found = [each for each in (problem(w, whole=True) for w in lines_of(line)) if each]
    if words is None:
        assert found == []
    else:
        assert len(found) == 1
        assert words in found[0]


def test_a_command_in_the_text_may_leave_arguments_out() -> None:
    assert problem(["stream-inspector", "dlq", "show"], whole=False) is None
    assert problem(["stream-inspector", "compare", "[--model", "FOLDER]"], whole=False) is None
    assert problem(["stream-inspector", "compare", "[--modl", "FOLDER]"], whole=False)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("kafka: {max_frame_bytes: 1024}", True),
        ("kafka: {max_frame_bytes: many}", False),
        ("view: {tiles: {rows: 2}}", True),
        ("view: {tiles: {rowz: 2}}", False),
        ("kafkaa: {}", False),
        ("- a list", False),
    ],
)
def test_wrong_settings_are_found(text: str, fits: bool, tmp_path: Path) -> None:
    import yaml

    (tmp_path / "x.yaml").write_text(text)
    assert (unreadable(yaml.safe_load(text), tmp_path / "x.yaml") is None) == fits
