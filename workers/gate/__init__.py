"""Answers each part of a line within a deadline: pass, reject, or not inspected."""
