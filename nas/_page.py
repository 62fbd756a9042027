"""Tables and figures of results: on the terminal, and as one HTML page that refers to nothing outside itself."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING

from nas._drawing import attempt
from nas._output import console
from nas._version import __version__

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72em; margin: 2em auto; padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: .5em 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25em .8em; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }
th:first-child, td:first-child, table.pairs td:nth-child(2), table.pairs th:nth-child(2) { text-align: left; }
thead th { border-bottom: 2px solid #888; }
h2 { margin: 1.6em 0 0; font-size: 1.1em; }
p { margin: .3em 0; max-width: 60em; }
figure { margin: 1em 0; }
p.note, figcaption, li { color: #555; font-size: .9em; overflow-wrap: anywhere; }
div.wide { overflow-x: auto; }
img { max-width: 100%; }
"""


@dataclass(frozen=True)
class Table:
    """A table to be shown: the first `names` columns are names, the others figures."""

    title: str
    note: str
    header: list[str]
    rows: list[list[str]]
    names: int = 1


def print_tables(tables: Iterable[Table], remarks: Iterable[str]) -> None:
    """Show tables and remarks on the terminal, or as wide as they are where the output goes elsewhere."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    terminal = console()
    if not terminal.is_terminal:
        terminal = console(width=1000)
    for table in tables:
        shown = RichTable(box=box.SIMPLE)
        for place, name in enumerate(table.header):
            shown.add_column(name, justify="left" if place < table.names else "right", overflow="fold")
        for row in table.rows:
            shown.add_row(*map(Text, row))
        terminal.print(Text(table.title, style="bold"))
        terminal.print(Text(table.note, style="dim"), soft_wrap=True)
        terminal.print(shown)
    for line in remarks:
        terminal.print(Text(line), soft_wrap=True)


def page(title: str, remarks: Iterable[str], figures: Iterable[str], tables: Iterable[Table]) -> str:
    """One HTML page.

    Args:
        title: of the page.
        remarks: one line each.
        figures: as `html_figure` gives them.
        tables: to be shown below the figures.
    """
    lines = "".join(f"<li>{escape(line)}</li>" for line in remarks)
    parts = [f'<div class="wide">{_html_table(table)}</div>' for table in tables]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        f"<style>{_STYLE}</style></head>\n<body><h1>{escape(title)}</h1>\n"
        f'<p class="note">nas {escape(__version__)}</p>\n<ul>{lines}</ul>\n'
        + "".join(figures)
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def html_figure(figure: Figure | None, alternative: str, caption: str) -> str:
    """A figure for a page; nothing where it is None or cannot be drawn.

    Args:
        figure: to be drawn.
        alternative: what it shows, for who does not see it.
        caption: below it.
    """
    image = None if figure is None else attempt("the figure of the page", lambda: _svg(figure))
    if image is None:
        return ""
    data = base64.b64encode(image).decode("ascii")
    return (
        f'<figure><img alt="{escape(alternative)}" src="data:image/svg+xml;base64,{data}">\n'
        f"<figcaption>{escape(caption)}</figcaption></figure>\n"
    )


def _svg(figure: Figure) -> bytes:
    image = BytesIO()
    figure.savefig(image, format="svg", metadata={"Date": None})
    return image.getvalue()


def _html_table(table: Table) -> str:
    header = "".join(f"<th>{escape(name)}</th>" for name in table.header)
    rows = "\n".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows)
    kind = ' class="pairs"' if table.names == 2 else ""
    return (
        f"<h2>{escape(table.title)}</h2>\n<p class='note'>{escape(table.note)}</p>\n"
        f"<table{kind}><thead><tr>{header}</tr></thead>\n<tbody>{rows}</tbody></table>"
    )
