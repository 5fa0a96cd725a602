"""Two results side by side, the journal they come from, and the page they make."""

from pathlib import Path

import msgspec
import pytest

from zoneshare_benchmarks.report.rounds import page
from zoneshare_benchmarks.runner.book import JOURNAL, BenchmarkResult, Book, Header, load
from zoneshare_benchmarks.runner.compare import compare
from zoneshare_benchmarks.runner.machine import machine
from zoneshare_benchmarks.runner.outcome import Histogram, Latency, RoundResult, Used
from zoneshare_benchmarks.runner.plan import Benchmark, RateControl, Round, WorkloadChoice
from zoneshare_protocols.errors import Misuse

TEST = Benchmark("<small>", (Round("one", RateControl("fixed-rate"), WorkloadChoice("empty"), 10),))


def header(target: str = "null") -> Header:
    return Header(TEST, target, 1, machine())


def one(label: str = "one", run: int = 0, throughput: float = 10.0) -> RoundResult:
    return RoundResult(
        label=label, module="empty", controller="fixed-rate", workers=1, run=run, seconds=1.0, sent=10, succeeded=9,
        conflicted=0, refused=0, failed=1, unsent=0, conflicts=2, kinds={"LedgerUnavailable": 1},
        example="<script>nobody</script>", asked=10.0, send_rate=10.0, rate_error=0.02, throughput=throughput,
        latency=Latency(p50=1.0), service=Latency(), histogram=Histogram((1.0, 2.0), (9,)), timeline=(5, 4),
        resources={"worker 0": Used(1.0, 2.0, 3.0)}, runner_cpu=1.0, machine_cpu=50.0,
    )  # fmt: skip


def of(*rounds: RoundResult) -> BenchmarkResult:
    return BenchmarkResult(header(), rounds)


def test_a_difference_counts_above_the_noise_of_repeated_runs() -> None:
    before, after = of(one(throughput=10), one(run=1, throughput=11)), of(one(throughput=20), one(run=1, throughput=22))
    found = {line.quantity: line for line in compare(before, after)}
    line = found["throughput, tx/s"]
    assert (line.first, line.second, line.ratio, line.differs) == (10.5, 21.0, 2.0, True)
    assert line.noise == pytest.approx(1 / 10.5)
    assert found["conflicts"].differs is False
    assert found["refused"].ratio is None


def test_one_run_has_no_noise_to_compare_with() -> None:
    assert {line.differs for line in compare(of(one()), of(one()))} == {None}


def test_results_of_different_rounds_cannot_be_compared() -> None:
    with pytest.raises(Misuse):
        compare(of(one()), of(one("other")))


def test_a_journal_goes_on_where_it_was_cut_short(tmp_path: Path) -> None:
    book = Book.open(tmp_path, header(), resume=False)
    book.add(one())
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(b'{"label":"half')
    again = Book.open(tmp_path, header(), resume=True)
    assert again.done("one", 0)
    assert not again.done("one", 1)
    again.add(one(run=1))
    again.finish("because")
    assert (len(load(tmp_path).rounds), load(tmp_path).stopped) == (2, "because")
    assert Book.open(tmp_path, header(), resume=True).rounds == again.rounds


def test_results_are_neither_overwritten_nor_mixed(tmp_path: Path) -> None:
    Book.open(tmp_path, header(), resume=False)
    with pytest.raises(Misuse, match="has results already"):
        Book.open(tmp_path, header(), resume=False)
    with pytest.raises(Misuse, match="of another file, target"):
        Book.open(tmp_path, header("embedded"), resume=True)


@pytest.mark.parametrize("text", ["", "{}", "[1]"])
def test_what_is_no_result_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(Misuse):
        load(tmp_path / "x.json")
    with pytest.raises(Misuse):
        load(tmp_path / "nothing")


def test_the_page_stands_alone_and_escapes_what_it_shows() -> None:
    text = page(msgspec.structs.replace(of(one()), stopped="the network went down"))
    assert "<script" not in text
    assert "&lt;script&gt;nobody" in text
    assert "&lt;small&gt;" in text
    assert "the network went down" in text
    assert "The rate was not kept" in text
    assert text.count("<svg") == 2
    assert 'src="' not in text
