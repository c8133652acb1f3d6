"""From records to happenings: whatever a record holds, it is handled, set aside or counted."""
