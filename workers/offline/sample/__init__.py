"""`stream-inspector sample`: what the pixel network takes for normal."""
