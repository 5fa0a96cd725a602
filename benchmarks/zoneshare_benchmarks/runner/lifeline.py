"""A process of a benchmark ends with the one that started it, however that ended: their pipe closes."""

import os
import signal
import sys
import threading


def end_with_parent() -> None:
    """SIGTERM to this process when standard input is over; to be called when nothing more is read from it."""
    threading.Thread(target=_wait, daemon=True).start()


def _wait() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)
