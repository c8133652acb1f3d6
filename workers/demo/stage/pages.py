"""The console of a run: where it is, and who may do everything there."""

import json
import os
import secrets
import sys
import webbrowser
from dataclasses import dataclass, field
from typing import Any

from workers.console.access.passwords import hash_password
from workers.demo.stage.folder import RunFolder

_NAME = "demo"


@dataclass(frozen=True, slots=True)
class Pages:
    """A port, and a password for this run alone."""

    port: int
    password: str = field(default_factory=lambda: secrets.token_urlsafe(6))

    @property
    def url(self) -> str:
        """What a browser opens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def told(self) -> str:
        """What somebody has to know."""
        return f"{self.url} (to judge parts log in as {_NAME}, password {self.password})"

    def flags(self, run: RunFolder) -> dict[str, Any]:
        """Of the process. Everybody on this machine may look."""
        return {
            "console.port": self.port,
            "console.database": f"sqlite:///{run.folder('console')}/history.sqlite3",
            "console.access.read_without_login": True,
            "evidence.url": run.folder("evidence"),
            "models.store": run.folder("models"),
        }

    def environment(self) -> dict[str, str]:
        """What other users of the machine need not see."""
        user = {"role": "engineer", "password_hash": hash_password(self.password)}
        return {"STREAM_INSPECTOR_CONSOLE__ACCESS__USERS": json.dumps({_NAME: user})}


def open_browser(url: str) -> None:
    """Where there is a screen: without one a browser of text would take the terminal."""
    if sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(url)
