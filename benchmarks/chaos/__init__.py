"""What is lost, repeated or late when processes, servers and the network fail: `make chaos`."""
