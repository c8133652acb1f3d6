"""The second kind of GPU worker: makes the pictures of verdicts, after them and beside them."""
