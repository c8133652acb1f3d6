"""A defective image -> its normal counterpart (RAN section D), examined by what did not make it."""
