"""Measurements: ratios against something run beside, medians of several runs; never asserted."""
