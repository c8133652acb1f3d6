"""What every process stands on: bus, store, servers, settings, lifecycle, telemetry."""
