"""Other detectors on the same features and images, to compare with in the same run."""
