"""Shift reports: bounds of shifts, a report as HTML and PDF, and those that are made on time."""
