"""Counterparts of a scored test set, made by a real model that has hardly trained."""

from pathlib import Path

import numpy as np
import pytest

from stream_inspector.detector import Detector
from stream_inspector.model.version import Model
from workers.offline.evaluate.counterparts import MOST_STEPS, Counterparts, spread
from workers.offline.images.datasets import LabelledFile
from workers.offline.images.datasets import test_files as labelled_files
from workers.offline.scoring.labelled import read_labelled
from workers.offline.scoring.maps import score_all


@pytest.fixture(scope="module")
def detector(tiny_model: Model) -> Detector:
    return Detector(tiny_model, engine="torch")


def maker(detector: Detector, files: tuple[LabelledFile, ...]) -> Counterparts:
    test = read_labelled(files, detector.model.view("flanges"))
    return Counterparts(detector, "flanges", test, score_all(detector, test.images))


@pytest.mark.slow
def test_every_defective_image_gets_one_and_they_are_measured(
    detector: Detector, flanges: Path
) -> None:
    counterparts, told = maker(detector, labelled_files(flanges)), list[tuple[int, int]]()

    made = counterparts.all(lambda done, total: told.append((done, total)))
    quality = counterparts.quality(made)

    assert (list(made), told) == ([1], [(1, 1)])
    assert quality is not None
    assert quality.images == 1
    assert quality.ceiling in {0.0, 1.0}  # of the one good image
    assert quality.change_inside is not None


@pytest.mark.slow
def test_the_way_to_a_counterpart_is_shown_in_few_steps(detector: Detector, flanges: Path) -> None:
    steps = maker(detector, labelled_files(flanges)).steps([1])

    assert list(steps) == [1]
    assert 1 <= len(steps[1]) <= MOST_STEPS
    assert all(step.dtype == np.uint8 and step.shape[2] == 3 for step in steps[1])


def test_a_set_without_defects_has_none(detector: Detector, flanges: Path) -> None:
    counterparts = maker(detector, labelled_files(flanges)[:1])

    assert counterparts.all() == {}
    assert counterparts.quality({}) is None


def test_many_rounds_are_thinned_evenly_and_keep_the_last() -> None:
    assert spread(list(range(3))) == [0, 1, 2]
    assert spread(list(range(100))) == [0, 16, 33, 50, 66, 82, 99]
