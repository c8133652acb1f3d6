"""A gate that answers all cameras of a stage to a PLC, and what the PLC says of its answers."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from benchmarks.chaos.observer import Outcome
from benchmarks.plc import NOT_INSPECTED, PASS, REJECT, Plc, Told
from workers.demo.stage.processes import Child, flags

_PATIENCE_S = 120.0  # a part waits so long for its outcome: every one comes, so no answer is late
_SLOTS = 200


class GateSide:
    """A gate process and its PLC. A context manager."""

    def __init__(self, folder: Path, cameras: Sequence[str], settings: Mapping[str, Any]) -> None:
        self._folder, self._cameras = folder, list(cameras)
        self.plc = Plc(len(self._cameras), _SLOTS)
        self._settings = {
            **settings,
            **self.plc.settings(),
            "gate.cameras": self._cameras,
            "gate.deadline_s": _PATIENCE_S,
            "gate.look_back_s": _PATIENCE_S,
            "gate.folder": folder / "gate",
        }
        self._starts = 0

    def __enter__(self) -> Self:
        self.plc.__enter__()
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.gate.stop()
        self.plc.__exit__(*error)

    def start(self) -> None:
        """Start it (again)."""
        self._starts += 1
        arguments = ["gate", *flags(self._settings)]
        self.gate = Child(f"gate-{self._starts}", arguments, self._folder, 10)

    def unanswered(self, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
        """Parts that have an outcome and no answer."""
        return examine(self._cameras, list(self.plc.told), outcomes)[0]

    def wrong(self, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
        """Parts that were answered otherwise than they were judged, or not in their order."""
        return examine(self._cameras, list(self.plc.told), outcomes)[1]


def examine(
    cameras: Sequence[str], told: Sequence[Told], outcomes: Sequence[Outcome]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Parts without an answer; parts with a wrong one. Each camera has one start."""
    answers: dict[tuple[str, int], set[tuple[int, bool, bool]]] = defaultdict(set)
    unordered = []
    newest: dict[str, int] = {}
    for each in told:
        camera = cameras[each.lane]
        if (camera, each.part) not in answers:  # the same once more may come at any time
            if each.part < newest.get(camera, -1):
                unordered.append(f"{camera} {each.part} came after {newest[camera]}")
            newest[camera] = each.part
        answers[camera, each.part].add((each.decision, each.reject, each.late))
    expected = {
        (each.camera, each.sequence): _answer(each) for each in outcomes if each.camera in cameras
    }
    missing = tuple(f"{c} {n}" for c, n in sorted(expected.keys() - answers.keys()))
    wrong = (
        f"{c} {n}: {sorted(found)}"
        for (c, n), found in sorted(answers.items())
        if found != {expected.get((c, n))}
    )
    return missing, (*wrong, *unordered)


def _answer(outcome: Outcome) -> tuple[int, bool, bool]:
    """Decision, whether the gate throws it out, whether it is late."""
    if outcome.rejected:
        return NOT_INSPECTED, True, False
    return (REJECT, True, False) if outcome.defect else (PASS, False, False)
