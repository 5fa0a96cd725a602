from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wire.trade.terminal import Terminal


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(tmp_path)
    try:
        yield opened
    finally:
        opened.close()
