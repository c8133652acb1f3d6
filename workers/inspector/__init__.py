"""The inspection worker: admit -> batch -> detect -> ledger -> publish, wired up in loop.py."""
