"""`stream-inspector calibrate`: a model's thresholds for another budget."""
