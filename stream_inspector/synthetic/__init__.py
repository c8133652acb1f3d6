"""A product rendered as a camera would see it, with several kinds of defect and exact masks.

The demo's default input and the tests' data: a turned steel flange on a conveyor belt. Needs numpy
and Pillow only, so that a camera host can render without torch. Same (seed, index), same pixels;
the same frame without its defect is the true normal counterpart.
"""

from stream_inspector.synthetic.defects import DEFECT_KINDS
from stream_inspector.synthetic.frame import DEFAULT_SIZE, SyntheticFrame, render

__all__ = ["DEFAULT_SIZE", "DEFECT_KINDS", "SyntheticFrame", "render"]
