"""Table 1 and Fig. 5 as the report has them: every value of the paper beside ours."""

import pytest

from zoneshare_benchmarks.report import twolayer_part
from zoneshare_benchmarks.report.page import Part, Picture, Section, Table
from zoneshare_benchmarks.report.steps import Mode
from zoneshare_benchmarks.twolayer import fig5, paper, table1

MEASURED = table1.Measured(
    keygen_a=(0.1, 0.2, 0.3), keygen_b=(0.4,), create=(700.0, 900.0), create_all=(), upload=(400.0, 420.0),
    update=(200.0, 220.0), download=(300.0,), pipelined=250.0, cpu="CPU share 0.5: not applied",
)  # fmt: skip


def table_of(section: Section) -> Table:
    found: list[Part] = [part for part in section.parts if isinstance(part, Table)]
    (table,) = found
    assert isinstance(table, Table)
    return table


def test_every_value_of_table_1_stands_beside_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table1, "table", lambda *_: dict.fromkeys(paper.TABLE1, MEASURED))
    section = twolayer_part.make_table1(Mode())
    rows = table_of(section).rows
    assert len(rows) == 14
    for (setting, theirs), row, ours in zip(paper.TABLE1.items(), rows[::2], rows[1::2], strict=True):
        assert row[0] == setting.name
        for value in (theirs.keygen_a, theirs.keygen_b, theirs.create, theirs.upload, theirs.download, theirs.update):
            assert f"{value:.2f}" in row
        assert ours[2:9] == ("0.20", "0.40", "800 ± 100", "410 ± 10", "210 ± 10", "300 ± 0", "620 ± 20")
        assert ours[-1] == "-", "a real network is not put behind a link"
    assert "not applied" in str(section.parts)


def test_fig_5_is_drawn_for_all_three_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        fig5.Point(way, devices, 400.0, 300.0, (290.0, 310.0))
        for way in (fig5.NONE, fig5.ON, fig5.OURS)
        for devices in (10, 60)
    ]
    monkeypatch.setattr(fig5, "measure", lambda *_: points)
    section = twolayer_part.make_fig5(Mode())
    assert [part.caption[:7] for part in section.parts if isinstance(part, Picture)] == ["Fig. 5a", "Fig. 5b"]
    assert len(table_of(section).rows) == 6
