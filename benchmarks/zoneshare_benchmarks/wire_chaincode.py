"""``python -m zoneshare_benchmarks.wire_chaincode``: two reads, one write, on our host; as in node/chaincode.js."""

import sys

from zoneshare_chaincode.host.command import run
from zoneshare_protocols.stub import OK, Response, Stub


class Work:
    """The work that is measured."""

    def invoke(self, stub: Stub) -> Response:
        payload = stub.args[1]
        stub.get_state("a")
        stub.get_state("b")
        stub.put_state(stub.tx_id, payload)
        return Response(OK, payload=payload)


if __name__ == "__main__":
    sys.exit(run(lambda _: Work()))
