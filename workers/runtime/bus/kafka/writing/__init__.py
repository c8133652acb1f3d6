"""Records to the broker: acknowledged by all replicas, alone or in a transaction."""
