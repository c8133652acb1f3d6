"""The notifier process: defects, dead letters and missing frames become alarms for people."""
