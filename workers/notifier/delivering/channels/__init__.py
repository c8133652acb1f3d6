"""One file for each kind of channel; `channel` says what all of them are."""
