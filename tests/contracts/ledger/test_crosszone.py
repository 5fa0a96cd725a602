"""Money from zone to zone: exactly once, or back; whatever is held back, repeated or forged."""

import dataclasses

import pytest

from tests.support.memory_identity import Identity
from tests.support.memory_stub import MVCC, VALID
from tests.support.memory_world import (
    CLIENT,
    HOUR,
    MARGIN,
    World,
    balance,
    pages,
    prove_inbound,
    prove_outbound,
    refused,
)
from zoneshare_protocols.codec import MAX_AMOUNT, decode, encode
from zoneshare_protocols.errors import (
    AlreadyExists,
    BadAmount,
    BadProof,
    InsufficientFunds,
    LimitExceeded,
    Malformed,
    NotAllowed,
    NotFound,
    RuleBroken,
    TooEarly,
    TooLate,
    WrongPhase,
)
from zoneshare_protocols.sharing.records import (
    ChannelTerms,
    Destination,
    EndorsedQuery,
    Inbound,
    InboundStatus,
    Outbound,
    OutboundStatus,
)


@dataclasses.dataclass
class Sent:
    """60 of Alice's 100, locked in zone A for Bob in zone B."""

    world: World
    alice: Identity
    bob: Identity
    id: str
    before: int
    proof: EndorsedQuery


@pytest.fixture
def sent() -> Sent:
    world = World()
    alice, bob = world.person("alice", world.a, 100), world.person("bob", world.b)
    before = world.net.now + HOUR
    outbound = decode(Outbound, world.a.submit(alice, "ledger:send", "zone-b", bob.account, 60, before))
    return Sent(world, alice, bob, outbound.id, before, prove_outbound(world.a, outbound.id))


def past_deadline(sent: Sent) -> None:
    sent.world.net.now = sent.before + MARGIN


def test_money_arrives_once_and_is_acknowledged(sent: Sent) -> None:
    world = sent.world
    assert balance(world.a, sent.alice) == 40
    world.b.submit(CLIENT, "ledger:receive", "zone-a", sent.proof)
    assert balance(world.b, sent.bob) == 60
    done = decode(
        Outbound,
        world.a.submit(CLIENT, "ledger:acknowledge", sent.id, prove_inbound(world.b, "zone-a", sent.id)),
    )
    assert done.status is OutboundStatus.RECEIVED
    assert pages(world.a, "ledger:outbounds", Outbound) == [done]
    (inbound,) = pages(world.b, "ledger:inbounds", Inbound)
    assert inbound == Inbound(sent.id, "zone-a", "zone-b", sent.bob.account, 60, InboundStatus.RECEIVED)
    assert balance(world.a, sent.alice) == 40


def test_money_not_taken_in_time_comes_back_once(sent: Sent) -> None:
    world = sent.world
    past_deadline(sent)
    world.b.submit(CLIENT, "ledger:tombstone", "zone-a", sent.proof)
    stone = prove_inbound(world.b, "zone-a", sent.id)
    done = decode(Outbound, world.a.submit(CLIENT, "ledger:reclaim", sent.id, stone))
    assert done.status is OutboundStatus.RECLAIMED
    assert (balance(world.a, sent.alice), balance(world.b, sent.bob)) == (100, 0)
    refused(world.a, WrongPhase, CLIENT, "ledger:reclaim", sent.id, stone)
    refused(world.a, BadProof, CLIENT, "ledger:acknowledge", sent.id, stone)


def test_a_proof_counts_once(sent: Sent) -> None:
    sent.world.b.submit(CLIENT, "ledger:receive", "zone-a", sent.proof)
    for proof in (sent.proof, prove_outbound(sent.world.a, sent.id)):
        refused(sent.world.b, AlreadyExists, CLIENT, "ledger:receive", "zone-a", proof)
    past_deadline(sent)
    refused(sent.world.b, AlreadyExists, CLIENT, "ledger:tombstone", "zone-a", sent.proof)


def test_after_the_acknowledgement_the_outbound_proves_nothing_any_more(sent: Sent) -> None:
    sent.world.b.submit(CLIENT, "ledger:receive", "zone-a", sent.proof)
    receipt = prove_inbound(sent.world.b, "zone-a", sent.id)
    sent.world.a.submit(CLIENT, "ledger:acknowledge", sent.id, receipt)
    refused(sent.world.b, BadProof, CLIENT, "ledger:receive", "zone-a", prove_outbound(sent.world.a, sent.id))
    refused(sent.world.a, WrongPhase, CLIENT, "ledger:acknowledge", sent.id, receipt)


def test_a_tombstone_shuts_the_money_out(sent: Sent) -> None:
    past_deadline(sent)
    sent.world.b.submit(CLIENT, "ledger:tombstone", "zone-a", sent.proof)
    sent.world.net.now = sent.before - 1
    refused(sent.world.b, AlreadyExists, CLIENT, "ledger:receive", "zone-a", sent.proof)
    refused(sent.world.b, AlreadyExists, CLIENT, "ledger:tombstone", "zone-a", sent.proof)


def test_the_deadline_and_its_margin(sent: Sent) -> None:
    world = sent.world
    for now in (sent.before - 1, sent.before, sent.before + MARGIN - 1):
        world.net.now = now
        refused(world.b, TooEarly, CLIENT, "ledger:tombstone", "zone-a", sent.proof)
    for now in (sent.before, sent.before + MARGIN, sent.before + HOUR):
        world.net.now = now
        refused(world.b, TooLate, CLIENT, "ledger:receive", "zone-a", sent.proof)
    world.net.now = sent.before - 1
    world.b.submit(CLIENT, "ledger:receive", "zone-a", sent.proof)


def test_receive_endorsed_in_time_and_ordered_after_the_tombstone_does_nothing(sent: Sent) -> None:
    held = sent.world.b.endorse(CLIENT, "ledger:receive", "zone-a", sent.proof)
    past_deadline(sent)
    sent.world.b.submit(CLIENT, "ledger:tombstone", "zone-a", sent.proof)
    assert sent.world.b.commit(held) == MVCC
    assert balance(sent.world.b, sent.bob) == 0


def test_a_tombstone_ordered_after_the_money_was_taken_does_nothing(sent: Sent) -> None:
    receive = sent.world.b.endorse(CLIENT, "ledger:receive", "zone-a", sent.proof)
    past_deadline(sent)
    stone = sent.world.b.endorse(CLIENT, "ledger:tombstone", "zone-a", sent.proof)
    assert sent.world.b.commit(receive) == VALID
    assert sent.world.b.commit(stone) == MVCC
    refused(sent.world.a, BadProof, CLIENT, "ledger:reclaim", sent.id, prove_inbound(sent.world.b, "zone-a", sent.id))


def test_two_receives_endorsed_together_pay_once(sent: Sent) -> None:
    both = [sent.world.b.endorse(CLIENT, "ledger:receive", "zone-a", sent.proof) for _ in range(2)]
    assert [sent.world.b.commit(each) for each in both] == [VALID, MVCC]
    assert balance(sent.world.b, sent.bob) == 60


def test_reclaim_needs_a_tombstone(sent: Sent) -> None:
    world = sent.world
    refused(world.a, BadProof, CLIENT, "ledger:reclaim", sent.id, sent.proof)
    refused(world.b, NotFound, CLIENT, "ledger:inbound", "zone-a", sent.id)
    world.b.submit(CLIENT, "ledger:receive", "zone-a", sent.proof)
    refused(world.a, BadProof, CLIENT, "ledger:reclaim", sent.id, prove_inbound(world.b, "zone-a", sent.id))
    past_deadline(sent)
    refused(world.a, BadProof, CLIENT, "ledger:reclaim", sent.id, prove_inbound(world.b, "zone-a", sent.id))
    assert balance(world.a, sent.alice) == 40


def test_a_tombstone_of_other_money_gives_nothing_back(sent: Sent) -> None:
    world = sent.world
    second = decode(Outbound, world.a.submit(sent.alice, "ledger:send", "zone-b", sent.bob.account, 40, sent.before))
    past_deadline(sent)
    world.b.submit(CLIENT, "ledger:tombstone", "zone-a", sent.proof)
    stone = prove_inbound(world.b, "zone-a", sent.id)
    refused(world.a, BadProof, CLIENT, "ledger:reclaim", second.id, stone)
    refused(world.a, NotFound, CLIENT, "ledger:reclaim", "transfer.nothing", stone)


def test_money_without_a_deadline_waits_for_ever(sent: Sent) -> None:
    world = sent.world
    other = decode(Outbound, world.a.submit(sent.alice, "ledger:send", "zone-b", sent.bob.account, 1, 0))
    proof = prove_outbound(world.a, other.id)
    world.net.advance(1000 * HOUR)
    refused(world.b, RuleBroken, CLIENT, "ledger:tombstone", "zone-a", proof)
    world.b.submit(CLIENT, "ledger:receive", "zone-a", proof)
    assert balance(world.b, sent.bob) == 1


def test_the_receiver_must_be_registered_and_have_room(sent: Sent) -> None:
    world = sent.world
    nobody = "0" * 40
    lost = decode(Outbound, world.a.submit(sent.alice, "ledger:send", "zone-b", nobody, 5, sent.before))
    refused(world.b, NotFound, CLIENT, "ledger:receive", "zone-a", prove_outbound(world.a, lost.id))
    rich = world.person("rich", world.b, MAX_AMOUNT)
    more = decode(Outbound, world.a.submit(sent.alice, "ledger:send", "zone-b", rich.account, 5, sent.before))
    refused(world.b, LimitExceeded, CLIENT, "ledger:receive", "zone-a", prove_outbound(world.a, more.id))


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (("zone-b", "x", 0, 0), BadAmount),
        (("zone-b", "x", -5, 0), BadAmount),
        (("zone-b", "x", 2**63, 0), BadAmount),
        (("zone-b", "x", 41, 0), InsufficientFunds),
        (("zone-b", "x", 5, 1), TooLate),
        (("zone-b", "x", 5, -1), Malformed),
        (("zone-b", "x", 5, 2**63), Malformed),
        (("zone-a", "x", 5, 0), RuleBroken),
        (("zone-c", "x", 5, 0), NotFound),
        (("zone-b", "", 5, 0), Malformed),
        (("zone b", "x", 5, 0), Malformed),
        (("zone-b", "x", 5), Malformed),
    ],
)
def test_what_cannot_be_sent(sent: Sent, args: tuple[str | int, ...], error: type[Exception]) -> None:
    refused(sent.world.a, error, sent.alice, "ledger:send", *args)


def terms(sent: Sent, deposit: int = 40) -> ChannelTerms:
    return ChannelTerms(
        payer_zone="zone-a",
        payer=sent.alice.account,
        payer_key=sent.alice.signing_key,
        payee_zone="zone-b",
        payee=sent.bob.account,
        payee_key=sent.bob.signing_key,
        deposit=deposit,
        fund_before=sent.before,
        refund_from=sent.before + 10 * HOUR,
        tick=1,
        challenge=HOUR,
        nonce=bytes(16),
    )


def test_a_deposit_is_the_payers_and_not_an_accounts(sent: Sent) -> None:
    world, deal = sent.world, terms(sent)
    refused(world.a, NotAllowed, sent.bob, "ledger:lock_outbound", deal)
    refused(world.b, NotAllowed, sent.alice, "ledger:lock_outbound", deal)
    refused(world.a, InsufficientFunds, sent.alice, "ledger:lock_outbound", terms(sent, 41))
    found = decode(Outbound, world.a.submit(sent.alice, "ledger:lock_outbound", deal))
    assert (found.id, found.kind, found.amount) == (f"channel.{deal.channel}", Destination.CHANNEL, 40)
    proof = prove_outbound(world.a, found.id)
    refused(world.b, BadProof, CLIENT, "ledger:receive", "zone-a", proof)
    assert balance(world.a, sent.alice) == 0
    past_deadline(sent)
    world.b.submit(CLIENT, "ledger:tombstone", "zone-a", proof)
    world.a.submit(CLIENT, "ledger:reclaim", found.id, prove_inbound(world.b, "zone-a", found.id))
    assert balance(world.a, sent.alice) == 40


def test_a_deposit_is_locked_once(sent: Sent) -> None:
    sent.world.a.submit(sent.alice, "ledger:lock_outbound", terms(sent, 20))
    refused(sent.world.a, AlreadyExists, sent.alice, "ledger:lock_outbound", terms(sent, 20))


def test_a_proof_that_is_none_at_all(sent: Sent) -> None:
    for garbage in (b"", b"\x00", encode(5), encode(sent.proof)[:-1], encode(sent.proof) + b"\x00"):
        refused(sent.world.b, Malformed, CLIENT, "ledger:receive", "zone-a", garbage)
