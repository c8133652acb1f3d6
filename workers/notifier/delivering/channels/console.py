"""Standard output, one line an alarm."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from schemas.alarm import Alarm, Severity
from workers.notifier.delivering.channels.channel import DeliveryFailed
from workers.notifier.delivering.text import headline, visible

_COLOURS = {Severity.INFO: "green", Severity.WARNING: "yellow", Severity.CRITICAL: "bold red"}


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
                self._console.print(line(alarm), highlight=False, soft_wrap=True, emoji=False)
        except (OSError, ValueError, SystemExit) as error:  # closed; Rich ends on a broken pipe
            reason = getattr(error, "strerror", None) or error
            raise DeliveryFailed(f"standard output: {reason}") from error


def line(alarm: Alarm) -> str:
    """The alarm as one line of the terminal library's markup."""
    colour = _COLOURS[alarm.severity]
    return (
        f"{alarm.raised_at.astimezone():%H:%M:%S} [{colour}]{escape(headline(alarm))}[/] "
        f"{escape(visible(alarm.message))} [dim]{alarm.alarm_id[:8]}[/]"
    )
