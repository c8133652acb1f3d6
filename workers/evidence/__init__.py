"""`stream-inspector evidence`: how long pictures stay, which must stay, and removing the others."""
