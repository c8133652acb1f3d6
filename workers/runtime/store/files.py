"""Blob stores through fsspec: a folder, S3 or anything else fsspec speaks, by URL."""

import contextlib
import errno
import mimetypes
import os
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import fsspec

from workers.runtime.errors import SettingsError, StoreUnavailable, WorkerError
from workers.runtime.settings.process import redact
from workers.runtime.store.ports import Blob, BlobStore, BlobUnreadable

# file systems of fsspec whose `create` is one conditional write at the server (s3fs and adlfs:
# If-None-Match, gcsfs: ifGenerationMatch), or inside this process
_CONDITIONAL = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "memory"}
_PART = ".part"  # of what is not yet whole
_SAID_BY_STORES = ("LastModified", "mtime", "updated", "last_modified", "modified", "created")
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
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=_PART)
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
            return sorted(n for n in names if n.startswith(prefix) and not n.endswith(_PART))

    def listed(self, prefix: str = "") -> Iterator[Blob]:
        """The files under a prefix; one that goes meanwhile is left out."""
        with _translated(str(self._root)):
            for folder, _, files in os.walk(self._root):
                for file in files:
                    path = Path(folder, file)
                    name = path.relative_to(self._root).as_posix()
                    if name.endswith(_PART) or not name.startswith(prefix):
                        continue
                    with contextlib.suppress(FileNotFoundError):
                        facts = path.lstat()
                        yield Blob(name, facts.st_size, facts.st_mtime)

    def supersede(self, name: str, before: float, instead: bytes | None) -> bool:
        """Take the file aside, look at its time, and put it back if it is a new one."""
        path = self._root / _checked(name)
        aside = path.with_name(f".{uuid.uuid4().hex}{_PART}")
        with _translated(str(self._root)):
            try:
                path.rename(aside)
            except FileNotFoundError:
                return False
            old = aside.stat().st_mtime < before
            back = instead if old else aside.read_bytes()
            if back is not None:
                self._put_back(path, aside, back, old=old)
            aside.unlink(missing_ok=True)
        return old

    def _put_back(self, path: Path, aside: Path, data: bytes, *, old: bool) -> None:
        """Where a writer was quicker, his file stays."""
        try:
            if not old:
                os.link(aside, path)
                return
        except OSError as error:
            if error.errno not in _NO_LINKS | {errno.EEXIST}:
                raise
        self.create(path.relative_to(self._root).as_posix(), data)

    def tidy(self, before: float) -> int:
        """Remove the files that a killed process left half written."""
        count = 0
        with _translated(str(self._root)):
            for path in self._root.rglob(f".*{_PART}"):
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_mtime < before:
                        path.unlink()
                        count += 1
        return count

    def signed(self, name: str, seconds: int) -> str | None:  # noqa: ARG002
        """A folder has no such URLs."""
        return None


def _create_in_place(path: Path, data: bytes) -> bool:
    """Without hard links (exFAT, some network shares): exclusive, but readable half written."""
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        return False
    return True


@contextlib.contextmanager
def _of_client(where: str) -> Iterator[None]:
    """Clients of object stores raise what their libraries do: without a login, for a region, ..."""
    try:
        with _translated(where):
            yield
    except (FileNotFoundError, ValueError, WorkerError):
        raise
    except Exception as error:
        raise StoreUnavailable(f"{where}: {type(error).__name__}: {error}") from error


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
        with _of_client(self._name):
            return bytes(self._filesystem.cat_file(self._path(name)))

    def write(self, name: str, data: bytes) -> str:
        """Store a blob and return its URL."""
        with _of_client(self._name):
            self._put(name, data)
            return str(self._filesystem.unstrip_protocol(self._path(name)))

    def create(self, name: str, data: bytes) -> bool:
        """Store a blob only if the name is free."""
        with _of_client(self._name):
            try:
                self._put(name, data, mode="create")
            except FileExistsError:
                return False
        return True

    def delete(self, name: str) -> None:
        """Remove a blob."""
        with _of_client(self._name), contextlib.suppress(FileNotFoundError):
            self._filesystem.rm_file(self._path(name))

    def _put(self, name: str, data: bytes, **how: Any) -> None:
        """Write into what is there: folders are made where they are missing, buckets never."""
        path = self._path(name)
        how |= self._content_type(name)
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
        with _of_client(self._name):
            try:
                found = self._filesystem.find(f"{self._root}/{folder}" if folder else self._root)
            except FileNotFoundError:
                return []
        names = (str(path).removeprefix(self._root).lstrip("/") for path in found)
        return sorted(name for name in names if name.startswith(prefix))

    def _content_type(self, name: str) -> dict[str, str]:
        """With it a browser shows a picture instead of saving it."""
        known = mimetypes.guess_type(name)[0]
        return {"ContentType": known} if known and self._s3 else {}

    @property
    def _s3(self) -> bool:
        return bool({"s3", "s3a"} & set(_protocols(self._filesystem)))

    def listed(self, prefix: str = "") -> Iterator[Blob]:
        """The blobs under a prefix."""
        with _of_client(self._name):
            try:
                folder = prefix.rpartition("/")[0]
                top = f"{self._root}/{folder}" if folder else self._root
                found = self._filesystem.find(top, detail=True)
            except FileNotFoundError:
                return
            for path, facts in found.items():
                name = str(path).removeprefix(self._root).lstrip("/")
                if name.startswith(prefix):
                    yield Blob(name, int(facts.get("size") or 0), self._time(path, facts))

    def _time(self, path: str, facts: Mapping[str, Any]) -> float:
        said = next((facts[key] for key in _SAID_BY_STORES if facts.get(key)), None)
        said = self._filesystem.modified(path) if said is None else said
        if isinstance(said, str):
            said = datetime.fromisoformat(said)
        if isinstance(said, datetime):
            return (said if said.tzinfo else said.replace(tzinfo=UTC)).timestamp()
        return float(said)

    def supersede(self, name: str, before: float, instead: bytes | None) -> bool:
        """Look at its time, then write or remove: two requests, with a moment between them."""
        path = self._path(name)
        with _of_client(self._name):
            try:
                if self._time(path, self._filesystem.info(path)) >= before:
                    return False
                if instead is None:
                    self._filesystem.rm_file(path)
                else:
                    self._put(name, instead)
            except FileNotFoundError:
                return False
        return True

    def tidy(self, before: float) -> int:  # noqa: ARG002
        """Object stores show nothing half written."""
        return 0

    def signed(self, name: str, seconds: int) -> str | None:
        """A presigned URL; None where the file system has none."""
        kind = mimetypes.guess_type(name)[0]
        shown = {"ResponseContentType": kind} if kind and self._s3 else {}
        with _of_client(self._name):
            try:
                return str(self._filesystem.sign(self._path(name), expiration=seconds, **shown))
            except NotImplementedError:
                return None
