"""A camera on the network: `rtsp_server.py PORT` serves a ball that moves, by GStreamer.

Run by the system's Python, whose packages know GStreamer; says `up` when it serves.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

_PICTURES = (
    "( videotestsrc is-live=true pattern=ball "
    "! video/x-raw,format=I420,width=64,height=48,framerate=20/1 ! jpegenc ! rtpjpegpay name=pay0 )"
)


def main(port: str) -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer(service=port, address="127.0.0.1")
    factory = GstRtspServer.RTSPMediaFactory(launch=_PICTURES, shared=True)
    server.get_mount_points().add_factory("/main", factory)
    server.attach(None)
    sys.stdout.write("up\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


if __name__ == "__main__":
    main(sys.argv[1])
