"""Figures of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nas.graphs import ABSENT, FIRST_OPERATION, INPUT, OUTPUT, Graphs
from nas.types import Values


def draw_progress(path: Path, incumbent: Values, random: Values | None, measured_on: dict[str, str]) -> None:
    """Draw the incumbent against evaluations, and random search's exact expectation where it is known."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.add_subplot()
    evaluations = np.arange(1, len(incumbent) + 1)
    axes.step(evaluations, 100 * incumbent, where="post", label="this run", color="C0")
    if random is not None:
        axes.plot(evaluations, 100 * random, "--", color="0.5", label="random search, expected")
    # The first evaluations say little and would squeeze the rest of the figure.
    axes.set_ylim(100 * np.quantile(incumbent, 0.02) - 0.2, 100 * incumbent[-1] + 0.1)
    axes.set(xlabel="evaluations", ylabel=f"best {measured_on.get('signal', 'value')} so far (%)")
    axes.set_title(measured_on.get("table", ""), fontsize="medium")
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def draw_cell(path: Path, graphs: Graphs, title: str) -> None:
    """Draw the first of `graphs`, input on the left."""
    import networkx as nx
    from matplotlib.figure import Figure

    adjacency, labels = graphs.adjacency[0], graphs.labels[0]
    there = np.flatnonzero(labels != ABSENT).tolist()
    graph = nx.DiGraph()
    names = {}
    for vertex in there:
        sources = [source for source in there if adjacency[source, vertex]]
        depth = max((graph.nodes[source]["depth"] + 1 for source in sources), default=0)
        graph.add_node(vertex, depth=depth)
        graph.add_edges_from((source, vertex) for source in sources)
        names[vertex] = {INPUT: "input", OUTPUT: "output"}.get(labels[vertex]) or graphs.operations[
            labels[vertex] - FIRST_OPERATION
        ].replace("-", "\n")
    layers = nx.multipartite_layout(graph, subset_key="depth")
    # Vertices of one layer on one line would hide an edge that passes over them.
    places = {
        vertex: (x, y + 0.15 * (-1) ** i * (0 < i < len(there) - 1))
        for i, (vertex, (x, y)) in enumerate(layers.items())
    }
    figure = Figure(figsize=(1.6 + 1.3 * len(there), 4), layout="constrained")
    axes = figure.add_subplot()
    nx.draw_networkx_edges(
        graph, places, ax=axes, node_size=3600, arrowsize=16, edge_color="0.3", connectionstyle="arc3,rad=0.12"
    )
    colours = [f"C{labels[vertex]}" for vertex in graph]
    nx.draw_networkx_nodes(graph, places, ax=axes, node_size=3600, node_color=colours, alpha=0.9)
    nx.draw_networkx_labels(graph, places, names, ax=axes, font_size=8)
    axes.set_title(title, fontsize="medium")
    axes.margins(0.15, 0.25)
    axes.set_axis_off()
    figure.savefig(path, dpi=120)
