"""The bus on kafka-python: the one room that names it."""
