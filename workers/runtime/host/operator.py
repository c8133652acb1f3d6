"""Who sits at the terminal."""

import getpass
import os
import socket


def operator() -> str:
    """user@host, for those who look later; the number of a user that the system has no name for."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user is often a number only
        name = f"uid-{os.getuid()}"
    return f"{name}@{socket.gethostname()}"
