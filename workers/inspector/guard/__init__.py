"""What keeps the pipeline safe: bounds, deadly frames, the breaker, health."""
