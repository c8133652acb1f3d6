"""Score members and what makes one map of them; each member has fit and maps, nothing else."""
