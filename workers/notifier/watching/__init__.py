"""What is known of each camera: gaps, silence, contradictions. Pure but for its memory's file."""
