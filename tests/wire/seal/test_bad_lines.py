"""Answers that are lost between drone and vehicle, and a drone that is not there."""

import asyncio
import socket
from pathlib import Path
from typing import Any

from tests.wire.seal.rig import Rig
from tests.wire.seal.rounds import play
from zoneshare.seal.auctioneer import Auctioneer
from zoneshare.seal.bidder import Bidder
from zoneshare.seal.drone_client import DroneClient
from zoneshare.trade.wire import PeerGone
from zoneshare_protocols.codec import Record


class Stubborn(DroneClient):
    """The drone's answer to every first call of a kind is lost."""

    def __init__(self, lost: set[type], *address: Any) -> None:
        super().__init__(*address)
        self.lost = lost

    async def _call(self, message: Record, timeout: float | None = None) -> tuple[str, Any]:
        answer = await super()._call(message, timeout)
        if type(message) not in self.lost:
            self.lost.add(type(message))
            raise PeerGone("the other device is gone")
        return answer


class BadLine(Bidder):
    def _drone(self, address: tuple[str, int]) -> DroneClient:
        self.lost: set[type] = getattr(self, "lost", set())
        return Stubborn(self.lost, *address, self._party.identity, self._known_peers)


def test_answers_that_are_lost_are_asked_for_again(tmp_path: Path) -> None:
    rig = Rig(tmp_path, speed=5)
    decided = play(rig, Auctioneer, BadLine)
    assert decided.outcome is not None
    assert rig.gain("ann") == decided.outcome.paid == -rig.gain("dora")
    assert not [function for _, function in rig.writes if function == "claim:show_payword"]


def test_a_drone_that_is_not_there_is_looked_for_again_and_said_so_once(tmp_path: Path) -> None:
    rig = Rig(tmp_path)

    class Counts(Bidder):
        asked = 0

        def _drone(self, address: tuple[str, int]) -> DroneClient:
            Counts.asked += 1
            return super()._drone(address)

    async def play() -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            rig.port = closed.getsockname()[1]
        async with rig.driving("ann", kind=Counts):
            while Counts.asked < 3:
                await asyncio.sleep(0.005)

    asyncio.run(asyncio.wait_for(play(), 60))
    (line,) = rig.lines
    assert line.startswith("ann: no bid: ")
    assert line.endswith("; trying again")
