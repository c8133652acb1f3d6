"""What every group of settings is made of."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, SecretStr

from workers.runtime.errors import SettingsError
from workers.runtime.secrets import learn


class Section(BaseModel):
    """A group of settings. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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
