"""The frame: dispatch, arguments, refusals, the clock, and that nothing but typed refusals gets out."""

from typing import Annotated

import msgspec
import pytest

from tests.support.memory_identity import identity
from tests.support.memory_stub import MVCC, PHANTOM, VALID, ContractBroken, MemoryNetwork
from zoneshare_chaincode.base import DEFAULT_TOLERANCE_MS, Context, Contract, ContractChaincode, query, transaction
from zoneshare_protocols.codec import Name, decode, encode
from zoneshare_protocols.errors import ClockSkew, Malformed, Misuse, NotFound
from zoneshare_protocols.sharing.records import Account, Issue
from zoneshare_protocols.stub import composite_key

WHO = identity("Org1MSP", "u")


class Toy(Contract):
    name = "toy"

    @transaction
    def keep(self, context: Context, name: Name, amount: int) -> int:
        context.put(composite_key("toy", name), amount)
        kept = context.get(int, composite_key("toy", name))
        assert kept == amount
        return kept

    @transaction
    def total(self, context: Context) -> int:
        found = sum(amount for _, amount in context.scan(int, "toy"))
        context.put("total", found)
        return found

    @query
    def page(self, context: Context, size: int = 2, bookmark: str = "") -> object:
        return context.page(int, "toy", size, bookmark)

    @query
    def lies(self, context: Context) -> None:
        context.put("x", 1)

    @transaction
    def account(self, context: Context, account: Account, raw: Annotated[bytes, msgspec.Meta(max_length=4)]) -> str:
        return account.id + raw.decode()

    @transaction
    def unreadable(self, context: Context) -> None:
        context.put("x", Issue(to="me", amount=2**63))

    @transaction
    def breaks(self, context: Context) -> None:
        context.put("x", 1)
        raise RuntimeError("secret detail")

    def hidden(self, context: Context) -> None:
        """Not marked, so not callable."""


@pytest.fixture
def net() -> MemoryNetwork:
    return MemoryNetwork(lambda clock: ContractChaincode((Toy(),), clock), "a")


def test_a_function_is_found_decoded_and_answered(net: MemoryNetwork) -> None:
    assert decode(int, net["a"].submit(WHO, "toy:keep", "n", 7)) == 7
    account = Account(id="me", signing_key=bytes(32), envelope_key=bytes(32))
    assert net["a"].submit(WHO, "toy:account", account, b"!") == b"me!"


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (("toy:nothing",), NotFound),
        (("toy:hidden",), NotFound),
        (("toy:__init__",), NotFound),
        (("",), NotFound),
        (("toy:keep", "n"), Malformed),
        (("toy:keep", "n", 1, 2), Malformed),
        (("toy:keep", "n", b"\xff\xff"), Malformed),
        (("toy:keep", "n", encode("1")), Malformed),
        (("toy:keep", b"\xff", 1), Malformed),
        (("toy:keep", "bad name", 1), Malformed),
        (("toy:account", encode(5), b""), Malformed),
        (("toy:account", Account(id="me", signing_key=bytes(32), envelope_key=bytes(32)), b"12345"), Malformed),
        (("toy:page", 0), Malformed),
        (("toy:page", 1001), Malformed),
        (("toy:page", 2, "elsewhere"), Malformed),
        (("toy:page", 2, composite_key("toz")), Malformed),
        (("toy:unreadable",), Malformed),
        (("toy:lies",), Misuse),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(
    net: MemoryNetwork, args: tuple[object, ...], error: type
) -> None:
    function, *arguments = args
    simulation = net["a"].endorse(WHO, str(function), *arguments)
    assert simulation.response.status == 500
    assert "\n" not in simulation.response.message
    assert simulation.writes == {}
    with pytest.raises(error):
        simulation.result()


def test_an_unexpected_failure_tells_one_line_and_no_detail(net: MemoryNetwork) -> None:
    simulation = net["a"].endorse(WHO, "toy:breaks")
    assert simulation.response.message == "internal error in the chaincode: RuntimeError"
    assert simulation.writes == {}
    with pytest.raises(ContractBroken):
        simulation.result()


@pytest.mark.parametrize("off", [DEFAULT_TOLERANCE_MS + 1, -DEFAULT_TOLERANCE_MS - 1])
def test_a_timestamp_too_far_from_the_clock_is_not_endorsed(net: MemoryNetwork, off: int) -> None:
    with pytest.raises(ClockSkew):
        net["a"].submit(WHO, "toy:keep", "n", 1, timestamp_ms=net.now + off)
    net["a"].submit(WHO, "toy:keep", "n", 1, timestamp_ms=net.now + off // abs(off) * DEFAULT_TOLERANCE_MS)


def test_of_two_that_read_one_key_one_commits(net: MemoryNetwork) -> None:
    first, second = (net["a"].endorse(WHO, "toy:keep", "n", amount) for amount in (1, 2))
    assert net["a"].commit(second) == VALID
    assert net["a"].commit(first) == MVCC


def test_a_row_that_appears_in_a_range_is_a_phantom(net: MemoryNetwork) -> None:
    total = net["a"].endorse(WHO, "toy:total")
    net["a"].submit(WHO, "toy:keep", "n", 1)
    assert net["a"].commit(total) == PHANTOM


def test_pages_cover_all_rows_once(net: MemoryNetwork) -> None:
    for n in range(5):
        net["a"].submit(WHO, "toy:keep", f"n{n}", n)
    seen: list[int] = []
    bookmark = ""
    while True:
        rows, bookmark = msgspec.msgpack.decode(net["a"].evaluate(WHO, "toy:page", 2, bookmark))
        seen += [amount for _, amount in rows]
        if not bookmark:
            break
    assert seen == [0, 1, 2, 3, 4]


def test_two_contracts_cannot_have_one_function() -> None:
    with pytest.raises(Misuse):
        ContractChaincode((Toy(), Toy()), lambda: 0)
