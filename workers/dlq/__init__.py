"""Dead letters: look at them, send their frames again, or settle them."""
