"""Standard output, one line an alarm."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from schemas.alarm import Alarm, Severity
from workers.notifier.delivering.channels.channel import DeliveryFailed
from workers.notifier.delivering.text import headline
from workers.runtime.host.streams import trouble
from workers.runtime.host.terminal import Terminal, text
from workers.runtime.moments import said

_COLOURS = {Severity.INFO: "green", Severity.WARNING: "yellow", Severity.CRITICAL: "bold red"}


class StandardOutput(Terminal):
    """A terminal that does not end the process when its pipe is closed."""

    def on_broken_pipe(self) -> None:
        """Called while the error is handled: hand it on."""
        raise  # noqa: PLE0704


class ConsoleChannel:
    """Prints."""

    name = "console"
    digests = False
    at_a_time = 100

    def __init__(self, console: Console) -> None:
        self._console = console

    def send(self, alarms: Sequence[Alarm]) -> None:
        """Print. Raises DeliveryFailed when nobody reads."""
        try:
            for alarm in alarms:
                self._console.print(line(alarm), soft_wrap=True)
                lost = trouble(self._console.file)
                if lost is not None:
                    raise lost
        except (OSError, ValueError, SystemExit) as error:  # closed; Rich ends on a broken pipe
            reason = getattr(error, "strerror", None) or error
            raise DeliveryFailed(f"standard output: {reason}") from error


def line(alarm: Alarm) -> Text:
    """The alarm as one line."""
    return text(
        f"{said(alarm.raised_at)} ",
        (headline(alarm), _COLOURS[alarm.severity]),
        f" {alarm.message} ",
        (alarm.alarm_id[:8], "dim"),
    )
