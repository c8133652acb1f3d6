"""A bounded history of what the topics told, in a database; lost, it is read from them again."""
