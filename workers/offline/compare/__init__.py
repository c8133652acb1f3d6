"""`stream-inspector compare`: other published methods on the same images and features."""
