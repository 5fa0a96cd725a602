"""``python -m zoneshare_chaincode.host``: zoneshare's contracts as a service."""

import sys
import time

from zoneshare_chaincode.host.command import run
from zoneshare_chaincode.host.settings import Settings
from zoneshare_protocols.errors import Misuse
from zoneshare_protocols.stub import Chaincode


def _zoneshare(settings: Settings) -> Chaincode:
    from zoneshare_chaincode.deploy import zoneshare

    if not settings.organisations:
        raise Misuse("ZONESHARE_ORGANISATIONS must name the MSP ids that govern the zone, separated by commas")
    return zoneshare(settings.organisations, lambda: time.time_ns() // 1_000_000)


if __name__ == "__main__":
    sys.exit(run(_zoneshare))
