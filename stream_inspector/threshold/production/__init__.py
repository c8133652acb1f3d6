"""What production says of thresholds: drift, reviewed parts, random samples, versions compared."""
