"""A page: sections of text, tables and pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


@dataclass(frozen=True)
class Text:
    text: str
    kind: str = "text"


@dataclass(frozen=True)
class Problem:
    """Something that is missing, or went wrong."""

    text: str
    kind: str = "problem"


@dataclass(frozen=True)
class Picture:
    svg: Markup
    caption: str
    kind: str = "picture"


@dataclass(frozen=True)
class Table:
    heads: Sequence[str]
    rows: Sequence[Sequence[Any]]
    kind: str = "table"


Part = Text | Problem | Picture | Table


@dataclass
class Section:
    title: str
    parts: list[Part] = field(default_factory=list)


def render(title: str, intro: Sequence[str], sections: Sequence[Section]) -> str:
    """The page's HTML: no scripts, nothing from elsewhere; all text is escaped."""
    loader = PackageLoader("zoneshare_benchmarks", "report")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.get_template("page.html.j2").render(title=title, intro=intro, sections=sections)
