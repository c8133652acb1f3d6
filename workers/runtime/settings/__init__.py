"""Settings of every process: typed, checked, secrets hidden."""
