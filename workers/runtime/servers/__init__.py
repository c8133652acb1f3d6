"""Servers that our own processes start and stop: for a first look and for tests."""
