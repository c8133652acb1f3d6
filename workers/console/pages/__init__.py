"""One file for each page: a request in, HTML out."""
