"""Tests of collecting lend the decoders to each other."""

import pytest
from lent_decoders import lent


@pytest.fixture(autouse=True)
def _lent_decoders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.collector.run.Decoders", lent)
