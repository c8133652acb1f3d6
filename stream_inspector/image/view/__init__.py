"""A category's view: which part of a frame is inspected, at which size, in how many tiles."""
