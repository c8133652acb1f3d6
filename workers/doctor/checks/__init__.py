"""What is wrong, and what to do: pure judgements of what a desk found out."""
