"""What the metrics say of the device's memory."""

import sys
from types import SimpleNamespace

import pytest
import torch

from workers.runtime.detectors.device import device_memory


def test_a_processor_has_none() -> None:
    assert device_memory("cpu") == {}


@pytest.mark.skipif(torch.cuda.is_available(), reason="on a device something may have used it")
def test_a_device_that_nobody_has_used_is_not_started_by_asking() -> None:
    assert device_memory("cuda") == {}


def test_what_is_used_counts_all_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's figures are stood in for: a device may not be there."""
    cuda = SimpleNamespace(
        is_initialized=lambda: True,
        mem_get_info=lambda device: (30, 100),
        memory_allocated=lambda device: 20,
        memory_reserved=lambda device: 25,
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    figures = {kind: value for (kind,), value in device_memory("cuda:1").items()}
    assert figures == {"allocated": 20, "reserved": 25, "used": 70, "total": 100}
