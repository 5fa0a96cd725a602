"""The sources of the networks of real processes end with their site."""

import threading
import time
from pathlib import Path

import psutil

from zoneshare_benchmarks.epow_real import ask
from zoneshare_benchmarks.epow_system import Site

MARK = "a-source-that-waits.npy"


def sources() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if MARK in child.cmdline()]


def test_a_source_that_waits_ends_with_its_site(tmp_path: Path) -> None:
    # In the folder of the site, so that it is found before the installed one.
    (tmp_path / "zoneshare").mkdir()
    (tmp_path / "zoneshare" / "__init__.py").touch()
    (tmp_path / "zoneshare" / "__main__.py").write_text("import time; time.sleep(600)")
    site, over = Site(tmp_path, 8), threading.Event()
    asking = threading.Thread(target=ask, args=(site, "127.0.0.1:1", MARK, over), daemon=True)
    asking.start()
    until = time.monotonic() + 30
    while not sources():
        assert time.monotonic() < until
        time.sleep(0.02)
    over.set()
    site.close()
    asking.join(20)
    assert not asking.is_alive()
    assert not sources()
