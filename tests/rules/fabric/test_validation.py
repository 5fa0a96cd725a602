"""What a peer makes of a block: every refusal, and conflicts within a block and across."""

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.peer import transaction_pb2
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.fabric import channel_world as world
from tests.rules.fabric.channel_world import ChannelView, block_of, envelope, results
from tests.support.memory_identity import authority, identity
from zoneshare_protocols.fabric import transaction, wire
from zoneshare_protocols.fabric.endorsement import Event
from zoneshare_protocols.fabric.flags import TxFlag
from zoneshare_protocols.fabric.mvcc import BlockState, Update, merkle_summary
from zoneshare_protocols.fabric.rwset import (
    MerkleSummary,
    NamespaceSet,
    RangeQuery,
    Read,
    ReadWriteSet,
    Version,
    Write,
)
from zoneshare_protocols.fabric.validation import state_updates, validate_block

V1, V2 = Version(1, 0), Version(2, 3)
PLAIN = results(writes=(Write("k", b"v"),))


def flags(*envelopes: bytes, view: ChannelView | None = None) -> list[TxFlag]:
    return list(validate_block(block_of(*envelopes), view or ChannelView()).flags)


def test_a_good_transaction_and_its_updates() -> None:
    data = envelope(results(writes=(Write("a", b"1"), Write("b", b"", True), Write("c", b""))))
    found = validate_block(block_of(data), ChannelView())
    assert found.flags == (TxFlag.VALID,)
    tx_id = transaction.parse(data).tx_id
    assert state_updates(found) == [
        Update("zoneshare", "a", b"1", Version(5, 0), tx_id),
        Update("zoneshare", "b", None, Version(5, 0), tx_id),
        Update("zoneshare", "c", None, Version(5, 0), tx_id),
    ]


def resigned(change: str) -> bytes:
    """A transaction with one part changed, and signed again by its creator."""
    outer = common_pb2.Envelope.FromString(envelope(PLAIN))
    payload = common_pb2.Payload.FromString(outer.payload)
    header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
    signer = common_pb2.SignatureHeader.FromString(payload.header.signature_header)
    if change == "tx id":
        header.tx_id = "0" * 64
    elif change == "channel":
        header.channel_id = "zone-b"
    elif change == "type":
        header.type = common_pb2.MESSAGE
    elif change == "config update":
        header.type = common_pb2.CONFIG_UPDATE
    elif change == "epoch":
        header.epoch = 1
    elif change == "nonce":
        signer.nonce = b""
    elif change == "creator":
        signer.creator = b"\xff"
    elif change == "timestamp":
        header.timestamp.seconds += 1
    elif change == "no actions":
        payload.data = b""
    elif change == "response":
        inner = transaction_pb2.Transaction.FromString(payload.data)
        content = transaction_pb2.ChaincodeActionPayload.FromString(inner.actions[0].payload)
        content.action.proposal_response_payload = b"\xff"
        inner.actions[0].payload = wire.write(content)
        payload.data = wire.write(inner)
    payload.header.channel_header = wire.write(header)
    payload.header.signature_header = wire.write(signer)
    data: bytes = transaction.sign(wire.write(payload), world.client().key).SerializeToString()
    return data


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        ("nothing", TxFlag.VALID),
        ("tx id", TxFlag.BAD_PROPOSAL_TXID),
        ("channel", TxFlag.TARGET_CHAIN_NOT_FOUND),
        ("type", TxFlag.BAD_COMMON_HEADER),
        ("config update", TxFlag.UNSUPPORTED_TX_PAYLOAD),
        ("epoch", TxFlag.BAD_COMMON_HEADER),
        ("nonce", TxFlag.BAD_COMMON_HEADER),
        ("creator", TxFlag.BAD_CREATOR_SIGNATURE),
        ("timestamp", TxFlag.INVALID_ENDORSER_TRANSACTION),
        ("no actions", TxFlag.INVALID_ENDORSER_TRANSACTION),
        ("response", TxFlag.BAD_RESPONSE_PAYLOAD),
    ],
)
def test_form(change: str, flag: TxFlag) -> None:
    assert flags(resigned(change)) == [flag]


def test_garbage() -> None:
    assert flags(b"\xff") == [TxFlag.INVALID_OTHER_REASON]
    assert flags(common_pb2.Envelope(payload=b"\xff").SerializeToString()) == [TxFlag.BAD_PAYLOAD]
    assert flags(b"") == [TxFlag.BAD_COMMON_HEADER]


@given(st.binary(max_size=60))
def test_no_garbage_raises(data: bytes) -> None:
    assert flags(data)[0] is not TxFlag.VALID


def test_creators() -> None:
    tampered = common_pb2.Envelope.FromString(envelope(PLAIN))
    tampered.signature = tampered.signature[:-1] + bytes([tampered.signature[-1] ^ 1])
    assert flags(tampered.SerializeToString()) == [TxFlag.BAD_CREATOR_SIGNATURE]
    assert flags(envelope(PLAIN, who=identity("Org3MSP", "client"))) == [TxFlag.BAD_CREATOR_SIGNATURE]
    assert flags(envelope(PLAIN, who=authority("Org1MSP", 1).issue("x"))) == [TxFlag.BAD_CREATOR_SIGNATURE]


def test_a_transaction_is_taken_once() -> None:
    data = envelope(PLAIN)
    assert flags(data, data) == [TxFlag.VALID, TxFlag.DUPLICATE_TXID]
    assert flags(data, view=ChannelView(on_chain={transaction.parse(data).tx_id})) == [TxFlag.DUPLICATE_TXID]


def test_endorsements() -> None:
    first, second = world.peers()
    failure = [TxFlag.ENDORSEMENT_POLICY_FAILURE]
    assert flags(envelope(PLAIN, endorsers=[first])) == failure
    assert flags(envelope(PLAIN, endorsers=[first, first])) == failure
    assert flags(envelope(PLAIN, endorsers=[first, identity("Org2MSP", "client")])) == failure
    assert flags(envelope(PLAIN, endorsers=[first, authority("Org2MSP", 1).issue("peer", "peer")])) == failure
    extra = [first, authority("Org2MSP", 1).issue("peer", "peer"), second]
    assert flags(envelope(PLAIN, endorsers=extra)) == [TxFlag.VALID]


def test_a_changed_result_is_not_what_was_endorsed() -> None:
    """The creator replaces the endorsed write by another, and signs again."""
    made = world.propose()
    honest = world.answers(made, PLAIN, world.peers())
    greedy = world.answers(made, results(writes=(Write("k", b"mine"),)), [world.client()])
    for answer in honest:
        answer.payload = greedy[0].payload
    data = transaction.sign(transaction.assemble(made, honest), world.client().key).SerializeToString()
    assert flags(data) == [TxFlag.ENDORSEMENT_POLICY_FAILURE]


def test_chaincodes_and_namespaces() -> None:
    other = world.propose(chaincode="other")
    assert flags(envelope(PLAIN, proposed=other)) == [TxFlag.INVALID_CHAINCODE]
    assert flags(envelope(PLAIN, version="")) == [TxFlag.INVALID_CHAINCODE]
    twice = ReadWriteSet((NamespaceSet("zoneshare"), NamespaceSet("zoneshare")))
    assert flags(envelope(twice)) == [TxFlag.ILLEGAL_WRITESET]
    elsewhere = ReadWriteSet((NamespaceSet("elsewhere", writes=(Write("k", b"v"),)),))
    assert flags(envelope(elsewhere)) == [TxFlag.INVALID_CHAINCODE]
    foreign = Event("other", "", "name", b"")
    assert flags(envelope(PLAIN, event=foreign)) == [TxFlag.INVALID_OTHER_REASON]


def test_private_data_are_not_taken_unseen() -> None:
    made = world.propose()
    private = world.with_private_data(world.answers(made, PLAIN, world.peers()), world.peers())
    data = transaction.sign(transaction.assemble(made, private), world.client().key).SerializeToString()
    assert flags(data) == [TxFlag.INVALID_OTHER_REASON]


def test_reads() -> None:
    read = envelope(results(reads=(Read("k", V1),), writes=(Write("k", b"x"),)))
    assert flags(read, view=ChannelView({"k": V1})) == [TxFlag.VALID]
    assert flags(read, view=ChannelView({"k": V2})) == [TxFlag.MVCC_READ_CONFLICT]
    assert flags(read) == [TxFlag.MVCC_READ_CONFLICT]
    absent = envelope(results(reads=(Read("k", None),)))
    assert flags(absent) == [TxFlag.VALID]
    assert flags(absent, view=ChannelView({"k": V1})) == [TxFlag.MVCC_READ_CONFLICT]


def test_of_two_that_read_and_write_one_key_the_first_commits() -> None:
    one, two = (envelope(results(reads=(Read("k", V1),), writes=(Write("k", b"x"),))) for _ in range(2))
    blind = envelope(PLAIN)
    view = ChannelView({"k": V1})
    assert flags(one, two, blind, view=view) == [TxFlag.VALID, TxFlag.MVCC_READ_CONFLICT, TxFlag.VALID]


def test_the_writes_of_a_refused_transaction_disturb_nobody() -> None:
    bad = envelope(PLAIN, endorsers=world.peers()[:1])
    reader = envelope(results(reads=(Read("k", None),)))
    assert flags(bad, reader) == [TxFlag.ENDORSEMENT_POLICY_FAILURE, TxFlag.VALID]


def range_of(*reads: Read, start: str = "a", end: str = "d", exhausted: bool = True) -> ReadWriteSet:
    return results(range_queries=(RangeQuery(start, end, exhausted, reads),))


AB = ChannelView({"a": V1, "b": V1, "e": V1})
STOPPED = range_of(Read("a", V1), Read("b", V1), end="b", exhausted=False)


@pytest.mark.parametrize(
    ("earlier", "found", "flag"),
    [
        (None, range_of(Read("a", V1), Read("b", V1)), TxFlag.VALID),
        (None, range_of(Read("a", V1)), TxFlag.PHANTOM_READ_CONFLICT),
        (None, range_of(Read("a", V1), Read("b", V2)), TxFlag.PHANTOM_READ_CONFLICT),
        (None, range_of(Read("a", V1), Read("b", V1), Read("c", V1)), TxFlag.PHANTOM_READ_CONFLICT),
        (None, range_of(), TxFlag.PHANTOM_READ_CONFLICT),
        (None, range_of(start="f", end=""), TxFlag.VALID),
        (Write("c", b"new"), range_of(Read("a", V1), Read("b", V1)), TxFlag.PHANTOM_READ_CONFLICT),
        (Write("a", b"", True), range_of(Read("a", V1), Read("b", V1)), TxFlag.PHANTOM_READ_CONFLICT),
        (Write("b", b"new"), range_of(Read("a", V1), Read("b", V1)), TxFlag.PHANTOM_READ_CONFLICT),
        (Write("d", b"at the end"), range_of(Read("a", V1), Read("b", V1)), TxFlag.VALID),
        (Write("z", b"new"), range_of(Read("a", V1), Read("b", V1)), TxFlag.VALID),
        (Write("c", b"new"), STOPPED, TxFlag.VALID),
        (Write("aa", b"new"), STOPPED, TxFlag.PHANTOM_READ_CONFLICT),
        (Write("b", b"", True), STOPPED, TxFlag.PHANTOM_READ_CONFLICT),
        (Write("b", b"new"), STOPPED, TxFlag.PHANTOM_READ_CONFLICT),
    ],
)
def test_phantoms(earlier: Write | None, found: ReadWriteSet, flag: TxFlag) -> None:
    before = [] if earlier is None else [envelope(results(writes=(earlier,)))]
    assert flags(*before, envelope(found), view=AB)[-1] == flag


KEYS = st.sampled_from("abcdefgh")
STATES = st.dictionaries(KEYS, st.builds(Version, st.integers(1, 3), st.integers(0, 2)))


@given(STATES, KEYS, st.sampled_from(["", *"abcdefgh"]), st.dictionaries(KEYS, st.booleans()), st.integers(0, 9))
def test_a_range_query_stands_exactly_if_it_would_read_the_same_again(
    state: dict[str, Version], start: str, end: str, changes: dict[str, bool], stop: int
) -> None:
    """Against a plain re-run over the state after the earlier transactions; the query may have stopped early."""

    def run(now: dict[str, Version], last: str | None) -> tuple[Read, ...]:
        return tuple(
            Read(key, now[key])
            for key in sorted(now)
            if key >= start and (not end or key < end) and (last is None or key <= last)
        )

    whole = run(state, None)
    stopped = 0 < stop <= len(whole)
    seen = whole[:stop] if stopped else whole
    last = seen[-1].key if stopped else None
    query = RangeQuery(start, end if last is None else last, not stopped, seen)
    after = dict(state)
    block = BlockState(ChannelView(state))
    for key, deleted in changes.items():
        block.apply([Update(world.CHAINCODE, key, None if deleted else b"x", Version(9, 0), "")])
        after.pop(key, None)
        if not deleted:
            after[key] = Version(9, 0)
    expected = None if run(after, last) == seen else TxFlag.PHANTOM_READ_CONFLICT
    assert block.conflict(results(range_queries=(query,))) == expected
    summary = merkle_summary(whole, 2)
    if summary is not None:
        hashed = RangeQuery(start, end, True, (), summary)
        expected = None if run(after, None) == whole else TxFlag.PHANTOM_READ_CONFLICT
        assert block.conflict(results(range_queries=(hashed,))) == expected


def test_hashed_ranges() -> None:
    reads = [Read(f"{i:03}", V1) for i in range(60)]
    assert merkle_summary(reads[:3], 3) is None
    for count in range(4, 60):
        summary = merkle_summary(reads[:count], 3)
        assert summary is not None
        assert 1 <= len(summary.hashes) <= 3
        assert summary != merkle_summary(reads[1 : count + 1], 3)
        assert summary != merkle_summary(reads[: count + 1], 3)
    unbuilt = RangeQuery("a", "d", True, (), MerkleSummary(1, 1, (b"x",)))
    assert flags(envelope(results(range_queries=(unbuilt,))), view=AB) == [TxFlag.PHANTOM_READ_CONFLICT]
