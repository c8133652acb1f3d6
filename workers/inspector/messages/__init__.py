"""What a worker says of a frame: its outcome and defect, its rejection, its dead letter."""
