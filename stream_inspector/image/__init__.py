"""A picture before and after inspection: decoded, seen through a category's view, drawn."""
