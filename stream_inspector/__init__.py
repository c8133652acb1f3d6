"""Functional core: arrays in, verdicts out. No Kafka, Redis, clock, logger or environment."""

__version__ = "0.1.0"
