"""Which partition a key lands on: the hash that every Kafka client shares by default."""

from kafka.partitioner import murmur2


def partition_of(key: bytes, partitions: int) -> int:
    """The partition that producers choose for a key (murmur2, as the Java client does)."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions
