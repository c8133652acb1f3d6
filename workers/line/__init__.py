"""Planned pauses of a line, announced by people."""
