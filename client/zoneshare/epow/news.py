"""A zone's blocks as its ledger tells of them, for coordinator and miners; what breaks off is taken up again."""

import logging
import threading
from collections.abc import Callable

from zoneshare.epow.ledger import Mining
from zoneshare_protocols.codec import decode
from zoneshare_protocols.epow.ledger import Mined
from zoneshare_protocols.errors import ZoneshareError

log = logging.getLogger(__name__)

PAUSES_S = (1.0, 2.0, 5.0, 15.0)
"""Before attempts to listen anew; the last one for ever."""


class News:
    """Use :meth:`start` and :meth:`close`. ``told`` gets blocks in a thread of its own: in order, some twice."""

    def __init__(self, mining: Mining, told: Callable[[Mined], None]) -> None:
        """Listens from now on; blocks. Raises LedgerFailed."""
        self._mining, self._told = mining, told
        self._stream = mining.ledger.events()
        try:
            self.tip = mining.tip()
            """As it was when listening began."""
        except ZoneshareError:
            self._stream.close()
            raise
        self._height = self.tip.height
        self._closed = threading.Event()

    def start(self) -> None:
        """Tell what has come since, and what comes."""
        threading.Thread(target=self._run, daemon=True, name="epow-blocks").start()

    def close(self) -> None:
        self._closed.set()
        self._stream.close()

    def _run(self) -> None:
        while True:
            why = "the stream ended"
            try:
                for event in self._stream:
                    if event.name == "block":
                        self._tell(decode(Mined, event.payload))
            except ZoneshareError as failed:
                why = str(failed)
            if self._closed.is_set():
                return
            log.warning("the ledger's blocks broke off, and are asked for again: %s", why)
            self._listen_anew()

    def _tell(self, block: Mined) -> None:
        self._height = max(self._height, block.tip.height)
        self._told(block)

    def _listen_anew(self) -> None:
        """With the blocks that have come meanwhile."""
        for attempt in range(1 << 30):
            if self._closed.wait(PAUSES_S[min(attempt, len(PAUSES_S) - 1)]):
                return
            try:
                self._stream.close()
                self._stream = self._mining.ledger.events()
                if self._closed.is_set():
                    self._stream.close()
                for height in range(self._height + 1, self._mining.tip().height + 1):
                    self._tell(self._mining.block(height))
            except ZoneshareError:
                continue
            return
