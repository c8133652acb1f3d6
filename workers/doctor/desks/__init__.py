"""Who asks broker and Redis what the checks want to know."""
