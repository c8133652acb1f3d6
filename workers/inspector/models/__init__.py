"""Which model version inspects what: kept ready, switched, refused."""
