"""Records of a group -> results on the broker, in order, with the positions that they settle."""
