"""The whole journey on one machine: servers, cameras, workers, notifier and the books."""
