"""From the bytes of a fetch to records: unpacked within bounds, in order, from a stated start."""
