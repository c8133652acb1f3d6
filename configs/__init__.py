"""Data only: one YAML per process, one per category, and the shipped demo model."""
