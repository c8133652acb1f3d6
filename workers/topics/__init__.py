"""Creates the stage's topics, once, before the processes start."""
