"""A zone's mining, set up by its organisations together; safe to run again."""

from collections.abc import Sequence

from msgspec.structs import replace

from zoneshare.accounts import Accounts
from zoneshare.epow.ledger import Mining
from zoneshare.ledger import Ledger
from zoneshare_protocols.epow.ledger import MiningZone
from zoneshare_protocols.epow.records import MiningRules
from zoneshare_protocols.errors import NotFound

DISPUTE_MS = 3_600_000


def set_up_mining(admins: Sequence[Ledger], coordinator: str, rules: MiningRules, dispute_time: int) -> MiningZone:
    """Approve the rules by every organisation's administrator, unless they hold already.

    The rules' version is set to the next one. Raises what the contract refuses.
    """
    zone = Accounts(admins[0]).parameters.zone
    mining = Mining(admins[0])
    try:
        present = mining.zone()
    except NotFound:
        present = None
    version = 1 if present is None else present.rules.version
    wanted = MiningZone(zone, coordinator, dispute_time, replace(rules, version=version))
    if wanted == present:
        return present
    if present is not None:
        wanted = replace(wanted, rules=replace(rules, version=version + 1))
    for admin in admins:
        Mining(admin).approve(wanted)
    return wanted
