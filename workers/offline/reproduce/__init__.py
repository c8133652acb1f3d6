"""`stream-inspector reproduce`: the paper's experiments, tables and figures on a dataset."""
