"""What libraries find when they load: nobody to talk to, a name for the user, threads that rest.

Set before any of them is imported, and only where the operator has not said otherwise.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

_SAID = {
    # Nothing of ours talks to anybody that no setting names; some libraries do by themselves.
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime: events to Microsoft, files in ~/.cache/Microsoft
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub, which timm imports
    "HF_HUB_OFFLINE": "1",  # ... and asks a hub only where `hub_open` lets it
    "GRADIO_ANALYTICS_ENABLED": "False",
    "DO_NOT_TRACK": "1",  # what many others heed
    # Several workers on few cores: threads that spin at OpenMP's barriers starve each other
    # (1800 ms a frame instead of 140 were measured).
    "OMP_WAIT_POLICY": "PASSIVE",
    "OPENBLAS_THREAD_TIMEOUT": "4",  # numpy's: 2^4 cycles of waiting instead of 2^26
}
# OpenVINO's events go to Google, and only a variable that says that this is a test bench stops
# them. Without this package it uses the stub that it brings.
_ABSENT = ("openvino_telemetry",)


_HUB = "HF_HUB_OFFLINE"
_ours = set[str]()  # variables that nobody had set


def prepare() -> None:
    """Called by the package itself, so that every way in passes here."""
    for name, value in _SAID.items():
        if name not in os.environ:
            os.environ[name] = value
            _ours.add(name)
    for name in _ABSENT:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    _name_user()


@contextmanager
def hub_open() -> Iterator[None]:
    """huggingface_hub may ask its server, for what a setting names; unless the operator says no."""
    if _HUB not in _ours:
        yield
        return
    constants: Any = import_module("huggingface_hub.constants")  # read when it was imported
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = False
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _name_user() -> None:
    """A container's user is often a number that the system has no name for; libraries ask for one.

    torch names a folder in /tmp after it, and cannot be imported in places without it.
    """
    import pwd

    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        os.environ.setdefault("USER", f"uid-{os.getuid()}")
        os.environ.setdefault("HOME", "/")  # as container runtimes have it
