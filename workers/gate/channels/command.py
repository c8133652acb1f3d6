"""A program that is run for an answer: what sets an output pin, a relay, a light."""

import subprocess
from collections.abc import Mapping

from workers.gate.answers import Answer
from workers.gate.channels.channel import ChannelDown
from workers.gate.channels.placing import placed
from workers.gate.settings import CommandSettings


class CommandChannel:
    """Runs a program without a shell. It moves something, so it is never run too late or twice."""

    name = "command"
    moves = True

    def __init__(self, settings: CommandSettings, lanes: Mapping[str, int]) -> None:
        self._settings, self._lanes = settings, lanes

    def open(self) -> None:
        """Nothing to connect."""

    def send(self, answer: Answer) -> None:
        """Run it. Raises ChannelDown."""
        words = self._settings.on_reject if answer.reject else self._settings.on_pass
        if not words:
            return
        said = {
            "part": answer.key.number,
            "id": answer.said("id"),
            "serial": answer.said("serial"),
            "decision": answer.decision,
            "reason": answer.reason,
        }
        command = [placed(word, answer.camera, self._lanes, **said) for word in words]
        try:
            subprocess.run(  # noqa: S603  (the setting's own words)
                command,
                timeout=self._settings.timeout_s,
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        except subprocess.CalledProcessError as error:
            why = error.stderr.decode(errors="replace").strip()[:200]
            raise ChannelDown(f"{command[0]} ended with {error.returncode}: {why}") from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ChannelDown(f"{command[0]}: {error} (gate.command)") from None

    def beat(self, *, ready: bool) -> None:
        """Nothing to say."""

    def close(self) -> None:
        """Nothing to disconnect."""
