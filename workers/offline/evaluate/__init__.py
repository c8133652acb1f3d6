"""`stream-inspector evaluate`: how well a model ranks and decides on labelled images."""
