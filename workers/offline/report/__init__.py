"""Report cards as self-contained HTML pages."""
