"""What `inspect` says of files and folders that are none of images, before a model is loaded."""

import os
from pathlib import Path

import pytest

from stream_inspector.errors import DataError
from workers.offline.inspect.files import find_images
from workers.offline.inspect.run import make_folder


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gone.png", "there is no such file or folder"),
        ("link.png", "is a link to nothing"),
        ("pipe.png", "is no regular file and no folder"),
        ("IMG_1.webp", r"is called like no image that can be read \(.png, .jpg"),
    ],
)
def test_what_is_wrong_with_a_source(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "link.png").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "IMG_1.webp").write_bytes(b"x")
    with pytest.raises(DataError, match=f"{name}: {said}"):
        find_images([tmp_path / name])


def test_jpegs_have_many_suffixes(tmp_path: Path) -> None:
    names = ["a.JPG", "b.jfif", "c.jpe"]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    assert [path.name for path in find_images([tmp_path])] == names


def test_a_folder_that_cannot_be_made_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match=r"--out: .*file is a file, and no folder"):
        make_folder(tmp_path / "file")
    with pytest.raises(DataError, match=r"--out: .*cannot be made: Not a directory"):
        make_folder(tmp_path / "file" / "below")
