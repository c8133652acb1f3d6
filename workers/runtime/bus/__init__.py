"""The bus: ports, and one file per broker client."""
