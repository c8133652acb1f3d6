"""Which members, with what weights, decide: chosen without the pictures that judge it."""
