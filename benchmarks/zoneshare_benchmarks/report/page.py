"""A page: sections of text, tables and pictures."""

from collections.abc import Sequence
from typing import ClassVar

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined


class Text(msgspec.Struct, frozen=True, tag="text", tag_field="kind"):
    text: str
    kind: ClassVar[str] = "text"


class Problem(msgspec.Struct, frozen=True, tag="problem", tag_field="kind"):
    """Something that is missing, or went wrong."""

    text: str
    kind: ClassVar[str] = "problem"


class Picture(msgspec.Struct, frozen=True, tag="picture", tag_field="kind"):
    """``svg`` is markup of our own making: it goes into the page as it is."""

    svg: str
    caption: str
    kind: ClassVar[str] = "picture"


class Table(msgspec.Struct, frozen=True, tag="table", tag_field="kind"):
    heads: tuple[str, ...]
    rows: tuple[tuple[str | int | float, ...], ...]
    caption: str = ""
    kind: ClassVar[str] = "table"


Part = Text | Problem | Picture | Table


class Section(msgspec.Struct):
    title: str
    parts: list[Part] = []


def render(title: str, intro: Sequence[str], sections: Sequence[Section]) -> str:
    """The page's HTML: no scripts, nothing from elsewhere; all text is escaped."""
    loader = PackageLoader("zoneshare_benchmarks", "report")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.tests["words"] = _words
    return environment.get_template("page.html.j2").render(title=title, intro=intro, sections=sections)


def _words(cell: str | float) -> bool:
    """Whether a cell is read from the left: it begins with a letter."""
    return str(cell)[:1].isalpha()
