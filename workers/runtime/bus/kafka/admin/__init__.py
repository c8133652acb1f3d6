"""What the broker says of its topics, limits and groups, and topics made."""
