"""From frames that wait to frames that the broker has: in order, booked, and the end announced."""
