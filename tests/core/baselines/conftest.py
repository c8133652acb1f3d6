"""Networks of a moment: the published ones take seconds a step on a processor."""

import pytest

from stream_inspector.baselines import cflow, cutpaste, draem, uniad

_SMALL = {
    cflow: {"RATE": 1e-3},
    uniad: {"WIDTH": 64, "HIDDEN": 128, "LAYERS": 1, "RATE": 1e-3},
    cutpaste: {"BATCH": 4, "GAUSSIAN": 64, "PATCH": 32},
    draem: {"REBUILDER": 4, "FINDER": 4, "BATCH": 2},
}


@pytest.fixture(autouse=True)
def _small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, sizes in _SMALL.items():
        for name, value in sizes.items():
            monkeypatch.setattr(module, name, value)
