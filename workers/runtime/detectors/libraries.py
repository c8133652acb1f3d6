"""The libraries that compute are imported while the first model is loaded.

They look for a temporary folder meanwhile. Where that fails they are imported half, and the rest of
the process cannot import them any more: so the folder is tried before.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from workers.runtime.errors import Fatal, Transient

_ROOM = 2**20  # bytes
_LAST = "torch._dynamo"  # what needs the folder; network and engine libraries import it
_ROOTS = ("torch", "torchvision", "timm")


class NoTemporaryFolder(Transient):
    """No temporary folder can be written now."""


class LibrariesBroken(Fatal):
    """They were imported half; only a new process can help."""

    exit_code = 75  # EX_TEMPFAIL


@contextmanager
def importing() -> Iterator[None]:
    """Around what may import them. Raises NoTemporaryFolder before, LibrariesBroken after it."""
    if _LAST not in sys.modules and find_spec("torch"):
        check_temporary_folder()
    try:
        yield
    except Exception as error:
        if half_imported():
            raise LibrariesBroken(
                f"the libraries that run models were imported half: {type(error).__name__}: "
                f"{error}; look whether the temporary folder (TMPDIR) can be written and has room, "
                "then start again"
            ) from error
        raise


def half_imported() -> set[str]:
    """Packages whose import failed: some of their modules are there all the same."""
    ours = [name for name in tuple(sys.modules) if name.partition(".")[0] in _ROOTS]
    packages = {name.rpartition(".")[0] for name in ours if "." in name}
    return packages - sys.modules.keys()


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
