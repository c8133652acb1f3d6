"""What a file or raw pixels say of a picture, format by format, and what reading it may cost."""
