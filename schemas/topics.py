"""Topic names and what each is meant to keep."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of the stage: its default name, its messages and how long it should be kept."""

    name: str
    messages: tuple[str, ...]
    retention_hours: int
    why: str


FRAMES = Topic("frames", ("frame",), 24, "long enough to repair a stopped stage and catch up")
OUTCOMES = Topic("outcomes", ("outcome",), 24 * 30, "the production record")
SHADOWS = Topic(
    "shadows",
    ("outcome",),
    24 * 30,
    "what a version on trial says beside the active one; it decides nothing",
)
DEFECTS = Topic("defects", ("defect",), 24 * 30, "what alarm services subscribe to")
EXPLANATIONS = Topic("explanations", ("explanation",), 24 * 30, "the pictures of defects")
DEAD_LETTERS = Topic(
    "dead-letters", ("dead-letter", "interruption"), 24 * 30, "uninspected parts, replayable"
)
RESOLUTIONS = Topic(
    "resolutions", ("resolution",), 24 * 60, "what became of dead letters; outlives them"
)
CAMERA_STATES = Topic(
    "camera-states", ("camera-state",), 24 * 30, "orderly ends and planned pauses of cameras"
)
REVIEWS = Topic(
    "reviews",
    ("review",),
    24 * 400,
    "what people said of outcomes, every word: versions name those that they learnt from",
)
ALARMS = Topic(
    "alarms",
    ("alarm", "acknowledgement"),
    24 * 30,
    "what people were told, and who sees to it",
)

TOPICS = (
    *(FRAMES, OUTCOMES, SHADOWS, DEFECTS, EXPLANATIONS, DEAD_LETTERS, RESOLUTIONS),
    *(CAMERA_STATES, REVIEWS, ALARMS),
)
