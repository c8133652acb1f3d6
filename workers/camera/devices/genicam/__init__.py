"""Cameras that speak GenICam: GigE Vision, USB3 Vision and others, each way in by one library."""
