"""``zoneshare``, whose process is killed (SIGKILL) once at each kind of durable write, and started again at once.

``python -m tests.support.mortal_coordinator coordinator serve NAME ...``: a coordinator's command. It dies before and
after each kind of write of its journal, of its files, and of its batches on the ledger, the first time that it comes to
it; the file ``KILLED`` (in the environment) has a line for every death. Ended by SIGTERM.
"""

import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.support.ports import steady_port
from zoneshare.__main__ import main
from zoneshare.epow import spare
from zoneshare.epow.book import Book
from zoneshare.epow.files import Files
from zoneshare.epow.ledger import Mining
from zoneshare.epow.spare import Spare


def die_once(point: str) -> None:
    killed = Path(os.environ["KILLED"])
    done = killed.read_text().splitlines() if killed.exists() else []
    if point not in done:
        with killed.open("a") as file:
            file.write(f"{point}\n")
        os.kill(os.getpid(), signal.SIGKILL)


def around(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    def watched(*args: Any, **options: Any) -> Any:
        die_once(f"before {name}")
        result = work(*args, **options)
        die_once(f"after {name}")
        return result

    return watched


def live() -> None:
    """One life."""
    opened = Book.__init__
    with (
        patch.object(Book, "__init__", lambda book, folder, **options: opened(book, folder, die_once, **options)),
        patch.object(Files, "save_matrix", around("a matrix", Files.save_matrix)),
        patch.object(spare, "LEAST", 1),
        patch.object(Spare, "take", around("a file to write over", Spare.take)),
        patch.object(Spare, "give", around("a file that is over", Spare.give)),
        patch.object(Mining, "record", around("a batch on the ledger", Mining.record)),
    ):
        main()


def lives() -> None:
    """The parent never starts a thread, so that it may fork at any time; all lives have one port."""
    sys.argv[sys.argv.index("--port") + 1] = str(steady_port())
    import_module("zoneshare.cli.epow")
    import_module("zoneshare.gateway")
    first, out = True, os.pipe()
    while True:
        pid = os.fork()
        if pid == 0:
            os.dup2(out[1] if first else os.open(os.devnull, os.O_WRONLY), 1)
            live()
            os._exit(0)
        signal.signal(signal.SIGTERM, lambda *_, child=pid: os.kill(child, signal.SIGTERM))
        if first:
            os.write(1, os.read(out[0], 10_000))
            first = False
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != -signal.SIGKILL:
            return


if __name__ == "__main__":
    lives()
