"""The page of figures: what is written where, and what the command refuses."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from zoneshare_benchmarks import seal_cli
from zoneshare_benchmarks.seal_figures import FILE, PICTURES, Chapter, write
from zoneshare_benchmarks.seal_plots import Panel, Picture, same
from zoneshare_benchmarks.seal_table import Table
from zoneshare_protocols.errors import Misuse

TABLE = Table("seal-x", "X", ("n", "a s", "b s"), ((1, 0.5, 2.0), (2, 0.7, 3.0)), "Note.")
NAMES = Table("seal-y", "Y", ("what", "a"), (("one", 1.0), ("two", 2.0)))
LINES = Picture("n", (Panel("s", same("a", "b", unit="s"), {"limit": 1.0}, "log"),))
BARS = Picture("what", (Panel("s", same("a")), Panel("s", same("a"))), bars=True)


def test_a_page_has_each_table_its_picture_and_its_numbers(tmp_path: Path) -> None:
    said: list[str] = []
    chapters = [Chapter(lambda: TABLE, LINES), Chapter(lambda: NAMES, BARS), Chapter(lambda: NAMES)]
    write(chapters, tmp_path, "# Head\n", said.append)
    page = (tmp_path / FILE).read_text()
    assert page.startswith("# Head\n\n## X\n\n![X](pictures/seal-x.png)\n\nNote.\n\n| n | a s | b s |")
    assert page.count("## Y") == 2
    assert page.count("![Y]") == 1
    for table in (TABLE, NAMES):
        assert (tmp_path / PICTURES / f"{table.name}.png").read_bytes().startswith(b"\x89PNG")
        assert (tmp_path / PICTURES / f"{table.name}.csv").read_text() == table.csv()
    assert said[-1] == str(tmp_path / FILE)


def test_the_same_picture_has_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write([Chapter(lambda: TABLE, LINES)], tmp_path / name, "", lambda _: None)
    one, two = ((tmp_path / name / PICTURES / "seal-x.png").read_bytes() for name in ("one", "two"))
    assert one == two


def test_a_picture_of_a_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="no column"):
        write([Chapter(lambda: TABLE, Picture("n", (Panel("s", {"c": "c"}),)))], tmp_path, "", lambda _: None)


def test_the_command_refuses_folders_that_are_not_there(tmp_path: Path) -> None:
    app = typer.Typer()
    seal_cli.register(app)
    for words in (["--out", str(tmp_path / "no")], ["--out", str(tmp_path), "--traces", str(tmp_path)]):
        done = CliRunner().invoke(app, words)
        assert isinstance(done.exception, Misuse)
    assert not list(tmp_path.iterdir())
