"""From happenings to alarms. Pure: time is an argument."""
