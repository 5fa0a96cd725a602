"""Table 1 and Fig. 5 with fast links: everything that is measured is there. No speed is asserted."""

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from zoneshare.stores.kubo import KuboStore
from zoneshare_benchmarks.links.proxy import Forward
from zoneshare_benchmarks.twolayer import exchange, fig5, table1
from zoneshare_benchmarks.twolayer.market import block_server
from zoneshare_benchmarks.twolayer.paper import HEADS, TABLE1, Row, Setting
from zoneshare_protocols.errors import LedgerFailed, Misuse, NotFound

FAST = Setting(1000, 2, 0.9)
CHUNKS, CHANNELS, LINKED = 3, 2, 1


def test_a_setting_of_table_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table1, "TABLE1", {FAST: TABLE1[Setting(20, 100, 0.5)]})
    (measured,) = table1.table(CHUNKS, CHANNELS, LINKED).values()
    assert (len(measured.create), len(measured.create_all)) == (CHANNELS, LINKED)
    assert (len(measured.upload), len(measured.download)) == (CHUNKS, CHUNKS)
    assert len(measured.update) >= CHUNKS
    assert min(measured.create) > 5 * FAST.delay, "five messages"
    assert min(measured.update) > 2 * FAST.delay, "a round trip"
    assert min(measured.upload) > 2 * FAST.delay
    assert measured.pipelined > 0
    assert "CPU share 0.9" in measured.cpu


def test_fig_5_has_all_ways_and_sizes() -> None:
    points = fig5.measure([2, 4], 3, link=Forward(0, 2.0, 1000.0))
    assert [(p.way, p.devices) for p in points] == [
        (way, devices) for way in (fig5.NONE, fig5.ON, fig5.OURS) for devices in (2, 4)
    ]
    for each in points:
        assert min(each.latencies) > 0
        assert each.average >= each.exchange / 2


@pytest.mark.parametrize(("devices", "chunks"), [([], 2), ([3], 2), ([0], 2), ([2], 1)])
def test_a_scale_that_cannot_be_is_refused(devices: list[int], chunks: int) -> None:
    with pytest.raises(Misuse):
        fig5.measure(devices, chunks)


def test_the_papers_rows_are_whole() -> None:
    assert len(TABLE1) == 7
    assert len(Row._fields) == len(HEADS) == 6
    for setting, row in TABLE1.items():
        assert row.create / setting.delay == pytest.approx(12, abs=0.4)


def test_the_shop_sells_for_good_vouchers_only() -> None:
    key, stranger = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    goods = [b"first", b"second"]
    with (
        exchange.serving(goods, exchange.check_voucher(key.public_key())) as port,
        requests.Session() as session,
    ):
        assert exchange.buy(session, port, 1, exchange.voucher(key, 1)) == b"second"
        for bad in (exchange.voucher(stranger, 1), exchange.voucher(key, 0), b""):
            with pytest.raises(LedgerFailed, match="refused"):
                exchange.buy(session, port, 1, bad)


def test_the_store_answers_as_kubo_does() -> None:
    with block_server() as port:
        store = KuboStore(f"http://127.0.0.1:{port}")
        name = store.put(b"block" * 1000)
        assert store.get(name) == b"block" * 1000
        assert store.has(name)
        missing = store.put(b"other")
        assert missing != name
        with pytest.raises(NotFound):
            store.get(name[:-1] + ("a" if name[-1] != "a" else "b"))
