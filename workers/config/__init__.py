"""`stream-inspector config`: settings shown and checked; the reference page made from them."""
