"""What a run starts: servers, model, processes, and what they are told."""
