"""What a camera's node map says of PTP: by the names of SFNC, and by those of before."""

from collections.abc import Callable
from typing import Any

import structlog

log = structlog.get_logger(__name__)

# switch, command that has the state looked up, state
_NAMES = (
    ("PtpEnable", "PtpDataSetLatch", "PtpStatus"),
    ("GevIEEE1588", "GevIEEE1588DataSetLatch", "GevIEEE1588Status"),
)
_FOLLOWS = {"Slave", "Master"}  # of a master its clock is the network's


def ptp(node: Callable[[str], Any]) -> bool | None:
    """Whether the clock is the network's; None: there is no PTP, or it is switched off."""
    for names in _NAMES:
        try:
            switch, latch, state = (node(name) for name in names)
            if not (switch and bool(_value(switch))):
                continue
            (getattr(latch, "Execute", None) or latch.execute)()
            return str(_value(state)) in _FOLLOWS
        except Exception as error:  # each library has its own for a node that is not there
            log.debug("camera does not tell of PTP", node=names[0], reason=repr(error))
    return None


def _value(node: Any) -> Any:
    return node.Value if hasattr(node, "Value") else node.value
