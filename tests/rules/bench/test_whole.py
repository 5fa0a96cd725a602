"""The one report: a step that fails loses no other, what is done is kept, and a quick report keeps its time."""

from pathlib import Path

import pytest

from zoneshare_benchmarks.report import whole
from zoneshare_benchmarks.report.page import Part, Picture, Section, Table, Text
from zoneshare_benchmarks.report.steps import Mode, Step, steps
from zoneshare_protocols.errors import LedgerFailed, Misuse


def step(name: str, log: list[str], part: Part | Exception, seconds: float = 1.0, title: str = "") -> Step:
    def make(_: Mode) -> Section:
        log.append(name)
        if isinstance(part, Exception):
            raise part
        return Section(title or name, [part])

    return Step(name, title or name, make, seconds)


def page(folder: Path) -> str:
    return (folder / whole.PAGE).read_text()


def test_a_step_that_fails_loses_no_other_and_is_tried_again(tmp_path: Path) -> None:
    log: list[str] = []
    first = step("one", log, Table(("a",), ((1,),)))
    broken = step("two", log, LedgerFailed("the <ledger> is away"))
    last = step("three", log, Picture("<svg></svg>", "drawn"))
    whole.begin(tmp_path, Mode(), resume=False)
    assert whole.make(tmp_path, Mode(), [first, broken, last]) == ["two"]
    assert "two failed: the &lt;ledger&gt; is away" in page(tmp_path)
    assert "<svg></svg>" in page(tmp_path)
    whole.begin(tmp_path, Mode(), resume=True)
    mended = step("two", log, Text("well again"))
    assert whole.make(tmp_path, Mode(), [first, mended, last]) == []
    assert log == ["one", "two", "three", "two"]
    assert "well again" in page(tmp_path)
    assert "failed" not in page(tmp_path)


def test_a_bug_in_a_step_is_a_line_in_the_report(tmp_path: Path) -> None:
    whole.begin(tmp_path, Mode(), resume=False)
    whole.make(tmp_path, Mode(), [step("one", [], ZeroDivisionError("division"))])
    assert "ZeroDivisionError: division" in page(tmp_path)


def test_a_killed_report_has_what_was_done_and_goes_on(tmp_path: Path) -> None:
    log: list[str] = []
    whole.begin(tmp_path, Mode(), resume=False)
    killed = step("two", log, Text("x"))

    class Killed(BaseException):
        pass

    def kill(_: Mode) -> Section:
        raise Killed

    with pytest.raises(Killed):
        whole.make(tmp_path, Mode(), [step("one", log, Text("kept")), Step("two", "two", kill, 1)])
    assert "kept" in page(tmp_path)
    whole.make(tmp_path, Mode(), [step("one", log, Text("kept")), killed])
    assert log == ["one", "two"]


def test_a_quick_report_leaves_out_what_it_has_no_time_for(tmp_path: Path) -> None:
    log: list[str] = []
    made = [step("long", log, Text("x"), whole.QUICK_S + 1), step("short", log, Text("x"))]
    whole.begin(tmp_path, Mode(), resume=False)
    assert whole.make(tmp_path, Mode(), made) == ["long"]
    assert log == ["short"]
    assert "long was left out" in page(tmp_path)


def test_a_full_report_leaves_out_nothing(tmp_path: Path) -> None:
    log: list[str] = []
    whole.begin(tmp_path, Mode(full=True), resume=False)
    whole.make(tmp_path, Mode(full=True), [step("long", log, Text("x"), whole.QUICK_S + 1)])
    assert log == ["long"]


def test_steps_of_one_title_are_one_section(tmp_path: Path) -> None:
    made = [step(name, [], Text(f"text {name}"), title="Figures") for name in ("a", "b")]
    whole.begin(tmp_path, Mode(), resume=False)
    whole.make(tmp_path, Mode(), made)
    assert page(tmp_path).count(">Figures</h2>") == 1
    assert "text a" in page(tmp_path)
    assert "text b" in page(tmp_path)


def test_rows_of_one_table_are_one_table(tmp_path: Path) -> None:
    made = [step(name, [], Table(("head",), ((name,),)), title="Figures") for name in ("a", "b")]
    made.append(step("c", [], Table(("other",), (("c",),)), title="Figures"))
    whole.begin(tmp_path, Mode(), resume=False)
    whole.make(tmp_path, Mode(), made)
    assert page(tmp_path).count("<th>head</th>") == 1
    assert page(tmp_path).count("<th>other</th>") == 1
    assert page(tmp_path).count("<td") == 3


def test_a_report_is_neither_overwritten_nor_mixed(tmp_path: Path) -> None:
    whole.begin(tmp_path, Mode(), resume=False)
    with pytest.raises(Misuse, match="has a report already"):
        whole.begin(tmp_path, Mode(), resume=False)
    with pytest.raises(Misuse, match="another mode"):
        whole.begin(tmp_path, Mode(full=True), resume=True)


@pytest.mark.parametrize("full", [False, True])
def test_every_step_has_a_name_of_its_own(full: bool) -> None:
    names = [each.name for each in steps(full)]
    assert len(set(names)) == len(names)
    assert {"two-layer-table-1", "two-layer-fig-5", "epow-figures", "growth-devices", "city"} <= set(names)


def test_words_are_read_from_the_left_and_numbers_from_the_right(tmp_path: Path) -> None:
    whole.begin(tmp_path, Mode(), resume=False)
    whole.make(tmp_path, Mode(), [step("a", [], Table(("what", "ms"), (("words", "1.5 ± 2"),)))])
    assert '<td class="text">words</td><td>1.5 ± 2</td>' in page(tmp_path)
