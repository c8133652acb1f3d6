"""Ways to tell the plant: each a library of its own, imported when a setting names it."""
