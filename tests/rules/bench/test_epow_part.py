"""E-PoW's parts of the report: what was measured stands in them, and which mode has which."""

import pytest

from zoneshare_benchmarks import epow_real, epow_scale
from zoneshare_benchmarks import epow_sim as sim
from zoneshare_benchmarks.report.epow_part import steps
from zoneshare_benchmarks.report.page import Picture, Section, Table, Text
from zoneshare_benchmarks.report.steps import Mode


def made(name: str, mode: Mode) -> Section:
    (step,) = [each for each in steps(mode.full) if each.name == name]
    return step.make(mode)


def test_real_processes_stand_beside_virtual_time(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = [epow_real.Seen("I", 3, [], 0, 0.0), epow_real.Seen("IV", 2, [1.0, 3.0], 2, 0.3)]
    monkeypatch.setattr(epow_real, "networks", lambda *_: iter(seen))
    monkeypatch.setattr(sim, "average", lambda *_: {"useful": 0.6, "deviation": 150.0, "block_time": 300.0})
    picture, table, _ = made("epow-real", Mode(full=True)).parts
    assert isinstance(picture, Picture)
    assert isinstance(table, Table)
    assert table.rows == (
        ("I, 3", 1, 0, "-", "0.00", "0.50", "0.00", "0.60"),
        ("IV, 2", 3, 2, "2.00", "0.50", "0.50", "0.30", "0.60"),
    )


def test_only_a_full_report_takes_the_time_for_real_processes() -> None:
    assert [each.name for each in steps(full=False)] == ["epow-figures", "growth-epow"]
    assert "epow-real" in [each.name for each in steps(full=True)]


@pytest.mark.parametrize(("full", "sizes"), [(False, 4), (True, 5)])
def test_growth_of_a_task_list_has_its_exponents(monkeypatch: pytest.MonkeyPatch, full: bool, sizes: int) -> None:
    def apart(basic: int) -> dict[str, float]:
        nsubs = (epow_scale.SIDE / basic) ** 3
        return {"nsubs": nsubs, "runs": 1.0, "seconds": nsubs * 1e-5, "mb": 5.0}

    monkeypatch.setattr(epow_scale, "apart", apart)
    _, table, said = made("growth-epow", Mode(full=full)).parts
    assert isinstance(table, Table)
    assert isinstance(said, Text)
    assert len(table.rows) == sizes
    assert table.rows[0] == ("1,000", "1", "0.01", "10", "5.0")
    assert "time n^1.00, memory n^0.00" in said.text
