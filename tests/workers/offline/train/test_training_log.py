import csv
from pathlib import Path

import torch

from stream_inspector.training.progress import Progress
from workers.offline.train.log import TrainingLog


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def step(stage: str, number: int) -> Progress:
    return Progress(stage, number, 10, 1.0 / number, 1e-3)


def test_every_step_is_a_row_at_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "training.csv"
    with TrainingLog(path, {}) as log:
        log.add(Progress("statistics", 8, 24))
        log.add(step("pixels", 1))
        log.add(step("pixels", 2))
        [first, second] = rows(path)  # on disk before the file is closed
    assert (first["stage"], first["step"], first["loss"]) == ("pixels", "1", "1")
    assert (second["loss"], second["learning_rate"]) == ("0.5", "0.001")
    assert 0 <= float(first["seconds"]) <= float(second["seconds"]) < 60


def test_steps_that_are_repeated_replace_their_rows(tmp_path: Path) -> None:
    path = tmp_path / "training.csv"
    with TrainingLog(path, {}) as log:
        for number in range(1, 4):
            log.add(step("features", number))
        for number in range(1, 5):
            log.add(step("pixels", number))
    before = rows(path)
    path.write_text(path.read_text() + "pixels,5,0.1")  # a line cut by a kill
    state = {"features/steps": torch.tensor(3), "pixels/steps": torch.tensor(2)}
    with TrainingLog(path, state) as log:
        log.add(step("pixels", 3))
    found = rows(path)
    assert [(r["stage"], int(r["step"])) for r in found] == [
        *(("features", n) for n in (1, 2, 3)),
        *(("pixels", n) for n in (1, 2, 3)),
    ]
    assert found[:5] == before[:5]
    assert float(found[5]["seconds"]) >= float(found[4]["seconds"])


def test_a_training_from_the_start_has_a_log_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "training.csv"
    for _ in range(2):
        with TrainingLog(path, {}) as log:
            log.add(step("pixels", 1))
    assert len(rows(path)) == 1
