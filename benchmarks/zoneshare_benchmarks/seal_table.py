"""A table of results: as Markdown for the docs, as CSV beside the picture."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from zoneshare_protocols.errors import Misuse

Cell = str | int | float


@dataclass(frozen=True)
class Table:
    """``note``: what it is, what differs from the paper, and what in the paper does not fit."""

    name: str
    """Its file's name, and its picture's."""
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""

    def column(self, name: str) -> list[float]:
        """The numbers of a column. Raises Misuse for a name that no column has."""
        if name not in self.columns:
            raise Misuse(f"the table {self.name} has no column {name!r}")
        place = self.columns.index(name)
        return [float(row[place]) for row in self.rows]

    def markdown(self) -> str:
        """Title, note and rows."""
        lines = [f"## {self.title}", ""]
        if self.note:
            lines += [self.note, ""]
        lines.append(_row(self.columns))
        lines.append("|" + "---|" * len(self.columns))
        lines += [_row([_text(cell) for cell in row]) for row in self.rows]
        return "\n".join(lines) + "\n"

    def csv(self) -> str:
        """Columns and rows."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([[_text(cell) for cell in row] for row in self.rows])
        return out.getvalue()


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _text(cell: Cell) -> str:
    if isinstance(cell, float):
        return f"{cell:.0f}" if abs(cell) >= 1000 else f"{cell:.3g}"
    return str(cell)
