"""`stream-inspector plan`: how much of everything a line needs."""
