"""Frames under suspicion, tried in a process whose death costs nothing."""
