"""`stream-inspector model`: versions in the store, and which is active."""
