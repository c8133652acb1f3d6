"""Commands that run in the process of their tests lend the decoders to each other."""

import pytest
from lent_decoders import lent


@pytest.fixture(autouse=True)
def _lent_decoders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.runtime.decoders.current.Decoders", lent)
