"""Ports on which a role can be started again: between two of its lives no other process is given them by the system."""

import random
import socket
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LEAST, _USUAL = 10_000, 32_768


def steady_port() -> int:
    """A free port below those that the system gives to whoever asks for any, or connects."""
    first = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else _USUAL
    while True:
        port = random.randrange(_LEAST, first if first > 2 * _LEAST else _USUAL)
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
