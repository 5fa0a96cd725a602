"""The host as a process: started from environment variables, stopped by SIGTERM."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping

from zoneshare_chaincode.host.settings import Settings, from_environment
from zoneshare_protocols.errors import Misuse
from zoneshare_protocols.stub import Chaincode

log = logging.getLogger(__name__)


def run(make: Callable[[Settings], Chaincode], environ: Mapping[str, str] = os.environ) -> int:
    """Serve what ``make`` gives until SIGTERM or SIGINT; the exit code: 0, or 1 after one line on standard error."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        settings = from_environment(environ)
        asyncio.run(_serve(settings, make(settings)))
    except Misuse as refusal:
        print(f"chaincode host: {refusal}", file=sys.stderr)  # noqa: T201 - the one line a command answers with
        return 1
    return 0


async def _serve(settings: Settings, chaincode: Chaincode) -> None:
    # gRPC's core writes lines of its own to standard error, unless told before it is loaded.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from zoneshare_chaincode.host.server import Host

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    host = Host(settings, chaincode)
    address = await host.start()
    log.info("%s listens on %s, %s", settings.chaincode_id, address, settings.tls or "TLS off")
    await stop.wait()
    log.info("stopping")
    await host.stop()
    log.info("stopped")
