"""The libraries that compute, imported when the first model is loaded.

They look for a temporary folder meanwhile, and where that fails the rest of the process cannot
import them any more: so the folder is tried before.
"""

import tempfile

from workers.runtime.errors import Fatal, Transient

_ROOM = 2**20  # bytes


class NoTemporaryFolder(Transient):
    """No temporary folder can be written now."""


class LibrariesBroken(Fatal):
    """They were imported half; only a new process can help."""

    exit_code = 75  # EX_TEMPFAIL


def import_libraries() -> None:
    """Import what loads and runs models. Raises NoTemporaryFolder, LibrariesBroken."""
    if not _Imported.done:
        check_temporary_folder()
        try:
            import stream_inspector.detector
            import stream_inspector.model.footprint  # noqa: F401
        except ModuleNotFoundError:
            raise
        except Exception as error:
            raise LibrariesBroken(
                f"the libraries that run models cannot be imported: {type(error).__name__}: "
                f"{error}; look whether the temporary folder (TMPDIR) can be written and has room, "
                "then start again"
            ) from error
        _Imported.done = True


class _Imported:
    done = False


def check_temporary_folder() -> None:
    """Raises NoTemporaryFolder, which names the folder."""
    folder = "the temporary folder"
    try:
        folder = tempfile.gettempdir()
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_ROOM))
            file.flush()
    except OSError as error:
        raise NoTemporaryFolder(
            f"{folder} cannot be written: {error.strerror or error}; make room there, or set TMPDIR"
        ) from None
