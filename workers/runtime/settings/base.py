"""What every group of settings is made of."""

from collections.abc import Callable
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, SecretStr

from workers.runtime.errors import SettingsError
from workers.runtime.secrets import learn


class Section(BaseModel):
    """A group of settings. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FilePassword(str):
    """A password as its file had it, which may be replaced while the process runs."""

    _read: Callable[[], str | None]

    def __new__(cls, file: Path, setting: str) -> Self:
        """Raises SettingsError naming the file."""
        made = super().__new__(cls, read_secret(None, file, setting) or "")
        made._read = lambda: read_secret(None, file, setting)
        return made

    def now(self) -> str:
        """As the file has it now; as before while it cannot be read."""
        try:
            return self._read() or ""
        except SettingsError:
            return str(self)


def read_secret(value: SecretStr | None, file: Path | None, setting: str) -> str | None:
    """A secret that was given itself or as a file; line ends at the end do not count.

    Raises SettingsError naming the file.
    """
    if file is None:
        return None if value is None else value.get_secret_value()
    try:
        secret = file.read_text().rstrip("\r\n")
        learn(secret)
        return secret
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{setting}_file: {file} cannot be read: {error}") from None
