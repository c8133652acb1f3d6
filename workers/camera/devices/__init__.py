"""Real cameras, each through a library of its own, imported when a source names it."""
