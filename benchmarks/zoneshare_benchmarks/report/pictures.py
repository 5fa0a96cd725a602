"""Pictures as SVG inside a page."""

import base64
import hashlib
import io
import re
from collections.abc import Callable, Mapping, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import NullLocator

from zoneshare_benchmarks import plots

mpl.use("svg")
WIDTH, HEIGHT = 6.4, 3.2


def draw(paint: Callable[[Axes], None], height: float = HEIGHT) -> str:
    """What ``paint`` puts on one pair of axes. The same data give the same bytes."""
    with mpl.rc_context({"svg.hashsalt": "zoneshare", "font.size": 9, "axes.grid": True, "grid.alpha": 0.3}):
        canvas = Canvas(figsize=(WIDTH, height), layout="constrained")
        paint(canvas.subplots())
        out = io.StringIO()
        canvas.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return inline(text)


def inline(svg: str) -> str:
    """A picture's file as markup for a page; one page has many, so that their ids must not meet."""
    return _distinct(svg[svg.index("<svg") :])


def png(data: bytes) -> str:
    """A PNG file as markup for a page."""
    return f'<img alt="" style="max-width:100%" src="data:image/png;base64,{base64.b64encode(data).decode()}">'


def _distinct(svg: str) -> str:
    mark = f"p{hashlib.sha256(svg.encode()).hexdigest()[:10]}-"
    svg = re.sub(r'\bid="', f'id="{mark}', svg)
    svg = re.sub(r'href="#', f'href="#{mark}', svg)
    return re.sub(r"url\(#", f"url(#{mark}", svg)


def lines(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    x: str,
    y: str,
    *,
    log: bool = False,
    styles: Mapping[str, str] | None = None,
) -> str:
    """Named series of (x, y), joined; ``log``: on both axes, with every x named."""

    def paint(axes: Axes) -> None:
        for name, (xs, ys) in series.items():
            axes.plot(xs, ys, (styles or {}).get(name, "o-"), markersize=3, label=name)
        if log:
            axes.set_xscale("log")
            axes.set_yscale("log")
            measured = sorted({x for xs, _ in series.values() for x in xs})
            axes.set_xticks(measured, [f"{x:,.0f}" for x in measured])
            axes.xaxis.set_minor_locator(NullLocator())
        else:
            axes.set_ylim(bottom=0)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        plots.legend(axes.figure)

    return draw(paint)


def histogram(edges: Sequence[float], counts: Sequence[int], x: str) -> str:
    """Bars between edges that rise by a factor."""

    def paint(axes: Axes) -> None:
        axes.stairs(counts, edges, fill=True)
        axes.set_xscale("log")
        axes.set_xlabel(x)
        axes.set_ylabel("transactions")

    return draw(paint, 2.4)


def boxes(groups: Mapping[str, Sequence[float]], y: str) -> str:
    """A box plot, one box a group."""

    def paint(axes: Axes) -> None:
        axes.boxplot(list(groups.values()), tick_labels=list(groups), showfliers=False)
        axes.set_ylabel(y)
        axes.set_ylim(bottom=0)

    return draw(paint)
