"""Alarms in words. Whatever a record says is shown as text: nothing in it acts.

Pure. The channels' own markup (a terminal's, a mail's) is theirs to escape.
"""

import hashlib
from collections.abc import Sequence

from schemas.alarm import Alarm, AlarmKind, AlarmPhase, Severity
from schemas.excerpt import plain

GIVEN_UP = "alarms-given-up"
_LISTED = 20  # alarms, cameras and ids that a digest lists
_LINE = 240
_PARTS = 5  # that a message tells of


def headline(alarm: Alarm) -> str:
    """Severity and kind in words."""
    return f"{alarm.severity.value.upper()} {_kind(alarm)}"


def _kind(alarm: Alarm) -> str:
    if alarm.cause == GIVEN_UP:
        return "alarms given up"
    if alarm.phase is AlarmPhase.ALL_CLEAR:
        return "all clear"
    return "defect" if alarm.kind is AlarmKind.DEFECT else alarm.kind.value.replace("-", " ")


def body(alarm: Alarm) -> str:
    """The alarm as a text message; its id tells a repeated delivery."""
    seen = f"{alarm.first_seen:%Y-%m-%d %H:%M:%S} to {alarm.last_seen:%H:%M:%S} UTC"
    lines = [
        plain(alarm.message),
        f"count {alarm.count}, {seen}",
        *([f"category {plain(alarm.category)}"] if alarm.category else []),
        *_parts(alarm),
        *([f"evidence {plain(alarm.evidence)}"] if alarm.evidence else []),
        f"alarm {alarm.alarm_id}",
    ]
    return "\n".join(lines)


def _parts(alarm: Alarm) -> list[str]:
    """A line for each of the first parts that are known."""
    said = [part.said() for part in alarm.parts[:_PARTS]]
    lines = [", ".join(f"{name} {plain(text)}" for name, text in each.items()) for each in said]
    return [f"part {_cut(line, _LINE)}" for line in lines if line]


def digest_headline(alarms: Sequence[Alarm]) -> str:
    """One headline for many alarms of one cause: the loudest speaks."""
    loudest = max(alarms, key=lambda alarm: alarm.severity is Severity.CRITICAL)
    return f"{headline(loudest)}: {len(alarms)} alarms of {len(_cameras(alarms))} cameras"


def digest_body(alarms: Sequence[Alarm], limit: int) -> str:
    """Many alarms of one cause in at most `limit` characters; the first ones in full."""
    cameras = _cameras(alarms)
    more = len(cameras) - _LISTED
    named = ", ".join(plain(name) for name in cameras[:_LISTED])
    count = sum(alarm.count for alarm in alarms)
    first = min(alarm.first_seen for alarm in alarms)
    last = max(alarm.last_seen for alarm in alarms)
    head = [
        f"{len(alarms)} alarms ({plain(alarms[0].cause)}), count {count}, "
        f"{first:%Y-%m-%d %H:%M:%S} to {last:%H:%M:%S} UTC",
        _cut(f"cameras: {named}{f' and {more} more' if more > 0 else ''}", limit // 2),
        f"digest {digest_id(alarms)}",
    ]
    lines = [f"{_cut(plain(a.message), _LINE)} (alarm {a.alarm_id})" for a in alarms[:_LISTED]]
    return _fitting(head, lines, len(alarms), limit)


def digest_id(alarms: Sequence[Alarm]) -> str:
    """The same for the same alarms: a repeated digest is recognised by it."""
    text = "\x1f".join(sorted(f"{alarm.alarm_id} {alarm.count}" for alarm in alarms))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _cameras(alarms: Sequence[Alarm]) -> list[str]:
    return list(dict.fromkeys(alarm.camera_id for alarm in alarms))


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: max(0, limit - 3)] + "..."


def _fitting(head: list[str], lines: list[str], total: int, limit: int) -> str:
    """As many lines as fit, and how many are left out."""
    room = limit - sum(len(line) + 1 for line in head) - len("and 1000000 more")
    shown = 0
    while shown < len(lines) and (room := room - len(lines[shown]) - 1) >= 0:
        shown += 1
    left = [f"and {total - shown} more"] if shown < total else []
    return _cut("\n".join([*head, *lines[:shown], *left]), limit)
