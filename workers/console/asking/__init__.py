"""Questions to the history: rows in, what a page shows out."""
