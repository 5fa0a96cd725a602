"""Growth in a process of its own: readings for every size, and what they become in the report."""

import pytest

from zoneshare_benchmarks.growth import sizes
from zoneshare_benchmarks.growth.sizes import Reading, grow
from zoneshare_benchmarks.report.growth_part import parts
from zoneshare_benchmarks.report.page import Picture, Table, Text
from zoneshare_protocols.errors import LedgerFailed, Misuse


@pytest.mark.parametrize(("kind", "small", "large"), [("devices", 5, 30), ("channels", 2, 8), ("blocks", 10, 120)])
def test_what_grows_is_read_at_every_size(kind: str, small: int, large: int) -> None:
    start, first, last = grow(kind, (small, large))
    assert (start.size, first.size, last.size) == (0, small, large)
    assert 0 == start.total < first.total < last.total
    assert start.ledger <= first.ledger <= last.ledger
    assert min(first.operation, first.query, first.memory) > 0


def test_an_unknown_kind_is_refused_and_a_process_that_fails_is_told() -> None:
    with pytest.raises(Misuse, match="nothing grows"):
        grow("money", (1,))
    with pytest.raises(LedgerFailed, match="growth of zones"):
        grow("zones", (-1,))


@pytest.mark.parametrize(("exponent", "said"), [(1.0, "Nothing is worse"), (2.0, "Worse than n log n: time in all")])
def test_exponents_are_fitted_and_judged(exponent: float, said: str) -> None:
    readings = [Reading(n, 0.01 * n**exponent, 5.0, 1.0, 100.0, 9000 + 1000 * n) for n in (0, 10, 100, 1000)]
    made = parts("devices", readings)
    assert [type(part) for part in made] == [Picture, Table, Text]
    text = next(part.text for part in made if isinstance(part, Text))
    assert f"devices^{exponent:.2f}" in text
    assert "ledgers devices^1.00" in text, "what was there before the growth is not the growth's"
    assert said in text


def test_every_kind_is_reported() -> None:
    assert list(sizes.KINDS) == ["zones", "devices", "channels", "blocks"]
