"""What production says of thresholds: drift, reviewed parts, random samples, two versions compared."""
