"""What systemd is told, where it wants to be: sd_notify(3), a datagram to the socket that NOTIFY_SOCKET names."""

import os
import socket
from typing import Final

VARIABLE: Final = "NOTIFY_SOCKET"


def notify(state: str) -> bool:
    """Send an assignment such as `MAINPID=4711`; whether there was somebody who took it."""
    address = os.environ.get(VARIABLE, "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]  # of the abstract namespace (unix(7))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        try:
            sender.sendto(state.encode(), address)
        except OSError:
            return False
    return True
