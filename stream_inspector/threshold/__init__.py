"""From scores to thresholds: the exact PRO curve and the calibration on good images."""
