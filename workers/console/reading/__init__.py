"""Topics -> the history, each record once."""
