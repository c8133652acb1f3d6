"""Model versions in the artefact store, and which of them is active."""
