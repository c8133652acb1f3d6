"""People's word on outcomes: say it, list it."""
