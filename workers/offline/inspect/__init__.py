"""`stream-inspector inspect`: verdicts and pictures of files, without a broker."""
