"""What people call the folders of good and of defective pictures."""

import re

GOOD = "good"
_GOOD = frozenset(
    {"good", "ok", "okay", "normal", "pass", "passed", "io", "nodefect", "defectfree", "gut"}
)
_BAD = frozenset(
    {"bad", "ng", "nok", "notok", "notgood", "ko", "nio", "anomaly", "anomalous", "abnormal"}
    | {"defect", "defects", "defective", "fail", "failed", "faulty", "reject", "rejected", "scrap"}
)
_BETWEEN = re.compile(r"[\s._-]+")


def is_good(kind: str) -> bool:
    """Whether a folder's name says good: Good, OK, i.O., Defect free, ..."""
    return _plain(kind) in _GOOD


def is_bad(kind: str) -> bool:
    """Whether it says defective in general: NG, not ok, Anomaly, ..."""
    return _plain(kind) in _BAD


def _plain(kind: str) -> str:
    return _BETWEEN.sub("", kind.casefold())
