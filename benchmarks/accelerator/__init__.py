"""What the paper's row costs on an accelerator: training, scoring, counterparts, memory."""
