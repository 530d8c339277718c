"""The service manager hears when the tree is up and when it stops: sd_notify(3) without its library."""

from __future__ import annotations

import contextlib
import os
import socket


def tell_manager(state: str) -> bool:
    """Send e.g. `READY=1` to the socket of NOTIFY_SOCKET. False where nobody listens; never raises.

    A name that begins with @ is abstract (unix(7)); other kinds of address than a path are not ours.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    name = "\0" + address[1:] if address.startswith("@") else address
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock,
    ):
        sock.settimeout(1.0)
        sock.sendto(state.encode(), name)
        return True
    return False
