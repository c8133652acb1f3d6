"""Pictures for the pages: from the evidence store, and frames from their topic."""
