"""Blob stores through fsspec: a folder, S3 or anything else fsspec speaks, by URL."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import fsspec

from workers.runtime.errors import SettingsError, StoreUnavailable
from workers.runtime.settings.process import redact
from workers.runtime.store.ports import BlobStore, BlobUnreadable

# file systems of fsspec whose `create` is one conditional write at the server (s3fs and adlfs:
# If-None-Match, gcsfs: ifGenerationMatch), or inside this process
_CONDITIONAL = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "memory"}
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


def open_blobs(url: str) -> BlobStore:
    """A blob store at a folder path or an fsspec URL. Raises SettingsError."""
    try:
        # a listing that is kept would hide what others write
        for part in url.split("::"):
            urlsplit(part).port  # noqa: B018  a host that nobody can read is refused here
        filesystem, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
    except (ValueError, ImportError) as error:
        # a parser's own words may be a part of a password
        known = isinstance(error, ImportError) or "rotocol not known" in str(error)
        reason = str(error) if known else "the URL cannot be read"
        raise SettingsError(f"{redact(url)}: no store can be opened here: {reason}") from None
    if "file" in _protocols(filesystem):
        return FolderBlobs(Path(root))
    return RemoteBlobs(filesystem, root, redact(url))


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
    except (PermissionError, IsADirectoryError) as error:
        raise BlobUnreadable(f"{where}: {type(error).__name__}: {error}") from error
    except (OSError, RuntimeError) as error:
        raise StoreUnavailable(f"{where}: {type(error).__name__}: {error}") from error


class FolderBlobs:
    """Blobs as files of a folder. Files appear whole or not at all."""

    exclusive = True

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
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                return _create_in_place(path, data)
        return True

    def delete(self, name: str) -> None:
        """Remove a blob."""
        with _translated(str(self._root)):
            (self._root / _checked(name)).unlink(missing_ok=True)

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


def _create_in_place(path: Path, data: bytes) -> bool:
    """Without hard links (exFAT, some network shares): exclusive, but readable half written."""
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        return False
    return True


class RemoteBlobs:
    """Blobs through an fsspec file system.

    `create` is as exclusive as the file system's own `create` mode: a conditional write on the
    object stores, check-then-write elsewhere (SFTP, WebDAV, ...): see `exclusive`.
    """

    def __init__(self, filesystem: Any, root: str, name: str):
        """`name` is what errors call the store."""
        self._filesystem, self._root, self._name = filesystem, root.rstrip("/"), name

    @property
    def exclusive(self) -> bool:
        """Whether `create` is one conditional write."""
        return bool(_CONDITIONAL & set(_protocols(self._filesystem)))

    def _path(self, name: str) -> str:
        return f"{self._root}/{_checked(name)}"

    def read(self, name: str) -> bytes:
        """The blob. Raises FileNotFoundError or StoreUnavailable."""
        with _translated(self._name):
            return bytes(self._filesystem.cat_file(self._path(name)))

    def write(self, name: str, data: bytes) -> str:
        """Store a blob and return its URL."""
        with _translated(self._name):
            self._put(name, data)
            return str(self._filesystem.unstrip_protocol(self._path(name)))

    def create(self, name: str, data: bytes) -> bool:
        """Store a blob only if the name is free."""
        with _translated(self._name):
            try:
                self._put(name, data, mode="create")
            except FileExistsError:
                return False
        return True

    def delete(self, name: str) -> None:
        """Remove a blob."""
        with _translated(self._name), contextlib.suppress(FileNotFoundError):
            self._filesystem.rm_file(self._path(name))

    def _put(self, name: str, data: bytes, **how: Any) -> None:
        """Write into what is there: folders are made where they are missing, buckets never."""
        path = self._path(name)
        bucket = path.partition("/")[0]  # empty where paths begin at a root
        try:
            if not bucket:
                self._filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._filesystem.pipe_file(path, data, **how)
        except FileNotFoundError:
            if not bucket or not self._filesystem.exists(bucket):
                raise StoreUnavailable(
                    f"{self._name}: there is no {bucket or 'such place'}: nothing is created here; "
                    "correct the URL, or create it first"
                ) from None
            self._filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._filesystem.pipe_file(path, data, **how)

    def names(self, prefix: str) -> list[str]:
        """The names under a prefix, sorted."""
        folder = prefix.rpartition("/")[0]
        with _translated(self._name):
            try:
                found = self._filesystem.find(f"{self._root}/{folder}" if folder else self._root)
            except FileNotFoundError:
                return []
        names = (str(path).removeprefix(self._root).lstrip("/") for path in found)
        return sorted(name for name in names if name.startswith(prefix))
