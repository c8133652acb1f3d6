"""What the machine and whoever sits at it are to a process: limits, streams, terminal, files."""
