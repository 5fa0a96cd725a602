"""Results for money over the real contract, by honest parties: proof, payword, key, claim, refund. Proofs are made."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from zoneshare.ledger import Ledger
from zoneshare.seal.claims import Claims
from zoneshare.seal.ledger import Auctions
from zoneshare_benchmarks.seal_cost import Bill
from zoneshare_benchmarks.seal_path import CLAIM, DRONE, EXCHANGE, REFUND, Drone, Sale, Vehicle
from zoneshare_benchmarks.seal_prover import Proofs
from zoneshare_protocols.codec import digest, encode
from zoneshare_protocols.seal.claims import context_of
from zoneshare_protocols.seal.hashchain import Claim, check_payword
from zoneshare_protocols.seal.ledger import Winner
from zoneshare_protocols.seal.results import check_key, lock, unlock

RESULT_BYTES = 31
PAYWORD_BYTES = 32


@dataclass
class Exchange:
    """One sale's exchange. ``batch``: so many of a winner's tasks in one proof."""

    drone: Drone
    sale: Sale
    proofs: Proofs
    batch: int = 1

    @property
    def bill(self) -> Bill:
        return self.drone.meter.bill

    def run(self) -> None:
        """Every winner's results, its claim, and the refund."""
        winners = list(self.winners())
        with self.drone.meter.during(EXCHANGE):
            for winner, vehicle in winners:
                for first in range(1, len(winner.awards) + 1, self.batch):
                    self._batch(winner, vehicle, first, min(first + self.batch - 1, len(winner.awards)))
        with self.drone.meter.during(CLAIM):
            for winner, vehicle in winners:
                index = len(winner.awards)
                claim = Claim(self.sale.id, winner.seat, index, self.sale.chains[winner.seat][index])
                Claims(vehicle.ledger).claim(claim)

    def refund(self) -> None:
        """Losers take their deposits, and the drone ends the auction."""
        found = self.drone.auctions.bids(self.sale.id)
        won = {vehicle.account for _, vehicle in self.winners()}
        with self.drone.meter.during(REFUND):
            for account, _ in found.bids:
                if account not in won:
                    Auctions(self.sale.vehicles[account].ledger).withdraw(self.sale.id)
            self.drone.auctions.refund(self.sale.id)

    def winners(self) -> Iterator[tuple[Winner, Vehicle]]:
        for seat in self.sale.chains:
            winner = self.drone.auctions.winner(self.sale.id, seat)
            yield winner, self.sale.vehicles[winner.bidder]

    def _batch(self, winner: Winner, vehicle: Vehicle, first: int, last: int) -> None:
        """Lines 23 to 40 for the winner's tasks ``first`` to ``last``."""
        bill, who, claims = self.bill, vehicle.number, Claims(vehicle.ledger)
        results = [os.urandom(RESULT_BYTES) for _ in range(first, last + 1)]
        with bill.timed(EXCHANGE, who):
            context = context_of(winner, self.sale.opening.notice, first, last)
            locked = lock(context, results, os.urandom(32))
        encrypted = locked.encrypted
        proof = self.proofs.prove(bill, EXCHANGE, who, locked)
        key = digest(self.proofs.verifying(encrypted.circuit))
        bill.send(EXCHANGE, len(encode(encrypted)) + len(proof))
        claims.prove_batch(locked, key, proof)
        with bill.timed(EXCHANGE, DRONE):
            self.proofs.check(encrypted, proof)
        payword = self.sale.chains[winner.seat][last]
        bill.send(EXCHANGE, PAYWORD_BYTES)
        with bill.timed(EXCHANGE, who):
            check_payword(winner.chain, self.sale.id, winner.prices, last, payword)
        claims.release(locked)
        with bill.timed(EXCHANGE, DRONE):
            check_key(encrypted, locked.key)
            unlock(encrypted, locked.key, self.drone.results)


def bring_keys(ledger: Ledger, proofs: Proofs) -> None:
    """The verifying keys, once a zone."""
    for record in proofs.records:
        Claims(ledger).bring_key(proofs.verifying(record.circuit))
