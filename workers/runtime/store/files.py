"""Blob stores through fsspec: a folder, S3 or anything else fsspec speaks, by URL."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec

from workers.runtime.errors import SettingsError, StoreUnavailable
from workers.runtime.settings import redact
from workers.runtime.store.ports import BlobStore


def open_blobs(url: str) -> BlobStore:
    """A blob store at a folder path or an fsspec URL. Raises SettingsError."""
    try:
        filesystem, root = fsspec.core.url_to_fs(url)
    except (ValueError, ImportError) as error:
        raise SettingsError(f"{redact(url)}: no store can be opened here: {error}") from error
    if "file" in _protocols(filesystem):
        return FolderBlobs(Path(root))
    return RemoteBlobs(filesystem, root)


def _protocols(filesystem: Any) -> tuple[str, ...]:
    protocol = filesystem.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)


def _checked(name: str) -> str:
    """A name that stays inside the store. Raises ValueError."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name:
        raise ValueError(f"not a blob name: {name!r}")
    return name


@contextlib.contextmanager
def _translated(where: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, RuntimeError) as error:
        raise StoreUnavailable(f"{where}: {type(error).__name__}: {error}") from error


class FolderBlobs:
    """Blobs as files of a folder. Files appear whole or not at all."""

    def __init__(self, root: Path):
        self._root = root

    def read(self, name: str) -> bytes:
        """The blob. Raises FileNotFoundError or StoreUnavailable."""
        with _translated(str(self._root)):
            return (self._root / _checked(name)).read_bytes()

    def write(self, name: str, data: bytes) -> str:
        """Store a blob and return its URL."""
        path = self._root / _checked(name)
        with self._staged(path, data) as staged:
            staged.replace(path)
        return path.absolute().as_uri()

    def create(self, name: str, data: bytes) -> bool:
        """Store a blob only if the name is free."""
        path = self._root / _checked(name)
        with self._staged(path, data) as staged:
            try:
                os.link(staged, path)  # fails when the name is taken, unlike a rename
            except FileExistsError:
                return False
        return True

    @contextlib.contextmanager
    def _staged(self, path: Path, data: bytes) -> Iterator[Path]:
        with _translated(str(self._root)):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
            staged = Path(name)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                staged.chmod(0o644)
                yield staged
            finally:
                staged.unlink(missing_ok=True)

    def names(self, prefix: str) -> list[str]:
        """The names under a prefix, sorted."""
        top = self._root / PurePosixPath(prefix).parent if prefix else self._root
        with _translated(str(self._root)):
            files = (path for path in top.rglob("*") if path.is_file())
            names = (path.relative_to(self._root).as_posix() for path in files)
            return sorted(n for n in names if n.startswith(prefix) and not n.endswith(".part"))


class RemoteBlobs:
    """Blobs through an fsspec file system.

    `create` is as exclusive as the file system's own `create` mode: atomic on S3 (conditional
    write), check-then-write elsewhere.
    """

    def __init__(self, filesystem: Any, root: str):
        self._filesystem, self._root = filesystem, root.rstrip("/")

    def _path(self, name: str) -> str:
        return f"{self._root}/{_checked(name)}"

    def read(self, name: str) -> bytes:
        """The blob. Raises FileNotFoundError or StoreUnavailable."""
        with _translated(self._root):
            return bytes(self._filesystem.cat_file(self._path(name)))

    def write(self, name: str, data: bytes) -> str:
        """Store a blob and return its URL."""
        with _translated(self._root):
            self._make_parent(name)
            self._filesystem.pipe_file(self._path(name), data)
            return str(self._filesystem.unstrip_protocol(self._path(name)))

    def create(self, name: str, data: bytes) -> bool:
        """Store a blob only if the name is free."""
        with _translated(self._root):
            self._make_parent(name)
            try:
                self._filesystem.pipe_file(self._path(name), data, mode="create")
            except FileExistsError:
                return False
        return True

    def _make_parent(self, name: str) -> None:
        self._filesystem.makedirs(self._path(name).rpartition("/")[0], exist_ok=True)

    def names(self, prefix: str) -> list[str]:
        """The names under a prefix, sorted."""
        folder = prefix.rpartition("/")[0]
        with _translated(self._root):
            try:
                found = self._filesystem.find(f"{self._root}/{folder}" if folder else self._root)
            except FileNotFoundError:
                return []
        names = (str(path).removeprefix(self._root).lstrip("/") for path in found)
        return sorted(name for name in names if name.startswith(prefix))
