"""A model version's bytes -> a detector on the device, checked and ready."""
