"""The stores: ports, and one file per store client."""
