"""The chaincode ``zoneshare``: all contracts in one, found as an entry point by whoever hosts it."""

from collections.abc import Callable

from zoneshare_chaincode.accounts import Accounts
from zoneshare_chaincode.auction import Auctions
from zoneshare_chaincode.auction_queries import AuctionQueries
from zoneshare_chaincode.base import ContractChaincode
from zoneshare_chaincode.claim import Claims
from zoneshare_chaincode.crosszone import CrossZone
from zoneshare_chaincode.escrow import Escrow
from zoneshare_chaincode.governance import Governance
from zoneshare_chaincode.macro import MacroTrades
from zoneshare_chaincode.mining import Mining
from zoneshare_chaincode.money import Money
from zoneshare_chaincode.registry import Registry
from zoneshare_protocols.seal import groth16_fast
from zoneshare_protocols.seal.groth16 import Verify
from zoneshare_protocols.stub import Chaincode


def zoneshare(
    organisations: tuple[str, ...], clock_ms: Callable[[], int], verify: Verify = groth16_fast.verify
) -> Chaincode:
    """The chaincode for a channel governed by these MSP ids together; ``clock_ms`` is the endorser's clock.

    ``verify``: of proofs for payment.

    Raises Misuse when there are none, or one twice.
    """
    contracts = (
        Governance(organisations),
        Accounts(),
        Money(),
        CrossZone(),
        Escrow(),
        MacroTrades(),
        Registry(),
        Mining(organisations),
        Auctions(organisations),
        AuctionQueries(),
        Claims(verify),
    )
    return ContractChaincode(contracts, clock_ms)
