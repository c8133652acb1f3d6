"""The one table of metric names, a module for each process; docs/metrics.md is made from it."""
