"""The tables of the history. Times are milliseconds since 1970, UTC."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)

VERSION = 3  # of what follows; a file of another version is set aside and made anew

metadata = MetaData()

_TEXT = 256  # characters, as messages have names
_PART = 64  # of a part's key: outcome id, dash, fingerprint
_FILTERS = ("verdict", "score", "judgement")


def _few(column: str) -> dict[str, Any]:
    """Of an index on the few rows that have something there."""
    there = text(f"{column} IS NOT NULL")
    return {"sqlite_where": there, "postgresql_where": there}


meta = Table("meta", metadata, Column("name", String(32), primary_key=True), Column("value", Text))

# Where reading goes on: written with the rows that it covers.
positions = Table(
    "positions",
    metadata,
    Column("topic", String(_TEXT), primary_key=True),
    Column("partition", BigInteger, primary_key=True, autoincrement=False),
    Column("next", BigInteger, nullable=False),
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("part", String(_PART), primary_key=True),
    Column("outcome_id", String(32), nullable=False),
    Column("run", String(_TEXT), nullable=False),
    Column("frame_id", String(_TEXT), nullable=False),
    Column("camera", String(_TEXT), nullable=False),
    Column("category", String(_TEXT), nullable=False),
    Column("serial", String(128)),  # of the part, or its id, where the line said one
    Column("captured_ms", BigInteger, nullable=False),
    Column("decided_ms", BigInteger, nullable=False),
    Column("verdict", String(16), nullable=False),  # pass, near_miss, defect, rejected
    Column("reason", String(32)),
    Column("score", Float(53)),
    Column("threshold", Float(53)),
    Column("model_version", String(_TEXT)),
    Column("calibration_id", String(_TEXT)),
    Column("total_ms", Float),
    Column("topic", String(_TEXT), nullable=False),  # the frame's record
    Column("partition", BigInteger, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("frame", Text),  # FrameRef as JSON; null: its headers were unreadable
    Column("judgement", String(16)),  # the last word's, which stands in `words`
    Column("queue", String(16)),  # its verdict, while it waits for a word; null: it does not
    # What a filter may ask comes after the time, so that an index alone answers it.
    Index("outcomes_by_time", "decided_ms", *_FILTERS),
    Index("outcomes_by_camera", "camera", "decided_ms", *_FILTERS, "category"),
    Index("outcomes_by_category", "category", "decided_ms", *_FILTERS, "camera"),
    Index("outcomes_by_verdict", "verdict", "decided_ms", "score", "judgement"),
    Index("outcomes_by_word", "judgement", "decided_ms", **_few("judgement")),
    Index(
        "outcomes_by_score",
        *("category", "score", "decided_ms", "verdict", "judgement", "model_version", "run"),
    ),
    Index(
        "outcomes_judged",
        *("category", "judgement", "decided_ms", "verdict", "calibration_id", "part"),
        **_few("judgement"),
    ),
    Index("outcomes_waiting", "queue", "decided_ms", **_few("queue")),
    Index("outcomes_by_frame", "frame_id"),
    Index("outcomes_by_serial", "serial"),
    Index("outcomes_by_id", "outcome_id"),
)

# What a version on trial said beside the active one.
shadows = Table(
    "shadows",
    metadata,
    Column("part", String(_PART), primary_key=True),
    Column("model_version", String(_TEXT), primary_key=True),
    Column("category", String(_TEXT), nullable=False),
    Column("decided_ms", BigInteger, nullable=False, index=True),
    Column("alarms", Boolean, nullable=False),
    Index("shadows_by_version", "category", "model_version", "decided_ms"),
)

# A part's pictures and regions: the event, cut to its bounds.
defects = Table(
    "defects",
    metadata,
    Column("part", String(_PART), primary_key=True),
    Column("decided_ms", BigInteger, nullable=False, index=True),
    Column("event", Text, nullable=False),
)

# Pictures that were made after a verdict: links and notes, as JSON.
explanations = Table(
    "explanations",
    metadata,
    Column("part", String(_PART), primary_key=True),
    Column("explained_ms", BigInteger, nullable=False, index=True),
    Column("evidence", Text, nullable=False),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("part", String(_PART), primary_key=True),
    Column("outcome_id", String(32), nullable=False, index=True),
    Column("rejected_ms", BigInteger, nullable=False, index=True),
    Column("reason", String(32), nullable=False),
    Column("error", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
)

resolutions = Table(
    "resolutions",
    metadata,
    Column("outcome_id", String(32), primary_key=True),
    Column("resolved_ms", BigInteger, nullable=False, index=True),
    Column("action", String(16), nullable=False),
    Column("by", String(_TEXT), nullable=False),
    Column("why", Text, nullable=False),
)

alarms = Table(
    "alarms",
    metadata,
    Column("alarm_id", String(64), primary_key=True),
    Column("raised_ms", BigInteger, nullable=False, index=True),
    Column("severity", String(16), nullable=False),
    Column("camera", String(_TEXT), nullable=False),
    Column("category", String(_TEXT)),
    Column("cause", String(_TEXT), nullable=False),
    Column("message", Text, nullable=False),
    Column("count", Integer, nullable=False),
    Column("acknowledged_ms", BigInteger),
    Column("acknowledged_by", String(_TEXT)),
    Column("note", Text),
)

# The last word on a part.
words = Table(
    "words",
    metadata,
    Column("part", String(_PART), primary_key=True),
    Column("review_id", String(32), nullable=False),
    Column("reviewed_ms", BigInteger, nullable=False, index=True),
    Column("judgement", String(16), nullable=False),
    Column("kind", String(64)),
    Column("note", Text, nullable=False),
    Column("sample", String(16)),
    Column("by", String(_TEXT), nullable=False),
    Index("words_by_sample", "sample", "reviewed_ms", **_few("sample")),
)

cameras = Table(
    "cameras",
    metadata,
    Column("camera", String(_TEXT), primary_key=True),
    Column("part", String(_PART), nullable=False),  # its last one
    Column("decided_ms", BigInteger, nullable=False, index=True),
)

pauses = Table(
    "pauses",
    metadata,
    Column("camera", String(_TEXT), primary_key=True),  # or a pattern of ids
    Column("state", String(16), nullable=False),
    Column("until_ms", BigInteger),
    Column("by", String(_TEXT), nullable=False),
    Column("why", Text, nullable=False),
    Column("announced_ms", BigInteger, nullable=False, index=True),
)

leases = Table(
    "leases",
    metadata,
    Column("part", String(_PART), primary_key=True),
    Column("by", String(_TEXT), nullable=False),
    Column("until_ms", BigInteger, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", String(64), primary_key=True),  # of the cookie's token
    Column("name", String(_TEXT), nullable=False),
    Column("until_ms", BigInteger, nullable=False, index=True),
)

acts = Table(
    "acts",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at_ms", BigInteger, nullable=False, index=True),
    Column("name", String(_TEXT), nullable=False),
    Column("role", String(16), nullable=False),
    Column("address", String(64), nullable=False),
    Column("act", String(64), nullable=False),
    Column("what", Text, nullable=False),
)

# Of each category's parts, ten minutes at a time: what a chart of a month is made of.
tallies = Table(
    "tallies",
    metadata,
    Column("category", String(_TEXT), primary_key=True),
    Column("start_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("parts", BigInteger, nullable=False),  # inspected or not
    Column("defects", BigInteger, nullable=False),
    Column("near_misses", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
    Column("scored", BigInteger, nullable=False),
    Column("score_sum", Float(53), nullable=False),
    Column("score_max", Float(53), nullable=False),
    Column("threshold_sum", Float(53), nullable=False),
    Index("tallies_by_time", "start_ms", "category", "parts", "defects"),
)

# The parts of each category and day (UTC) with the lowest lots: its random sample is among them.
draws = Table(
    "draws",
    metadata,
    Column("part", String(_PART), primary_key=True),
    Column("category", String(_TEXT), nullable=False),
    Column("day", Integer, nullable=False),  # since 1970
    Column("decided_ms", BigInteger, nullable=False, index=True),
    Column("lot", Float(53), nullable=False),
    Index("draws_by_lot", "day", "category", "lot"),
)
