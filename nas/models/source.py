"""The source of a network as a plain PyTorch module that needs nothing of this package."""

from __future__ import annotations

from collections.abc import Iterable
from functools import singledispatch
from string import Template

import numpy as np

from nas.errors import UserError
from nas.graphs import FIRST_OPERATION, OUTPUT, Graphs
from nas.models.template import MODEL
from nas.networks import ResidualSkeleton, Skeleton, vertex_channels
from nas.networks.kernels import CELL_KERNELS, RESIDUAL_KERNELS

_BLOCK = '''class ConvBnRelu(nn.Sequential):
    """Convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )


'''
_PRE_BLOCK = '''class ReluConvBn(nn.Sequential):
    """ReLU, convolution, batch norm."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
        )


'''
_HALVE = '''class Halve(nn.Module):
    """A residual block that halves the image."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.deep = nn.Sequential(ReluConvBn(before, after, 3, stride=2), ReluConvBn(after, after, 3))
        self.shortcut = nn.Sequential(nn.AvgPool2d(2, ceil_mode=True), nn.Conv2d(before, after, 1, bias=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.deep(x) + self.shortcut(x)


'''


def source_of(skeleton: Skeleton, graph: Graphs, about: str) -> str:
    """Write the module of one network.

    The parameters of its `Network` come in the order of those of the network that was trained. A skeleton of one's own
    is taught to this with `@network_source.register(MySkeleton)`.

    Args:
        skeleton: what surrounds the cells.
        graph: one graph.
        about: one line that says what the network does.
    """
    network = network_source(skeleton, graph)
    return Template(MODEL).substitute(about=about.replace("\\", "\\\\").replace('"', "'"), network=network.rstrip())


@singledispatch
def network_source(skeleton: Skeleton, graph: Graphs) -> str:
    """The classes of a network, the last being `Network(mean, deviation)`.

    Raises:
        UserError: networks of this skeleton cannot be written.
    """
    raise UserError(
        f"networks of a {type(skeleton).__name__} cannot be written as a module: "
        f"teach it with nas.models.network_source.register"
    )


@network_source.register(Skeleton)
def _of_cells(skeleton: Skeleton, graph: Graphs) -> str:
    last = graph.labels[0].tolist().index(OUTPUT)
    sources = [np.flatnonzero(graph.adjacency[0, :, vertex]).tolist() for vertex in range(last + 1)]
    widths = [vertex_channels(graph, before, after)[0].tolist() for before, after in skeleton.widths()]
    made, done = [], []
    for vertex in range(1, last + 1):
        if 0 in sources[vertex]:
            name, width = ("project_out", "after") if vertex == last else (f"project_{vertex}", f"widths[{vertex - 1}]")
            made.append(f"self.{name} = ConvBnRelu(before, {width}, 1)")
    for vertex in range(1, last):
        kernel, width = CELL_KERNELS[_operation(graph, vertex)], f"widths[{vertex - 1}]"
        layer = f"ConvBnRelu({width}, {width}, {kernel})" if kernel else "nn.MaxPool2d(3, stride=1, padding=1)"
        made.append(f"self.vertex_{vertex} = {layer}")
    cut = False
    for vertex in range(1, last):
        arriving = []
        for source in sources[vertex]:
            narrower = any(each[source] > each[vertex] for each in widths)
            cut |= bool(source and narrower)
            taken = f"v{source}[:, : self.widths[{vertex - 1}]]" if narrower else f"v{source}"
            arriving.append(taken if source else f"self.project_{vertex}(x)")
        done.append(f"v{vertex} = self.vertex_{vertex}({' + '.join(arriving)})")
    inner = [f"v{source}" for source in sources[last] if source]
    outputs = [f"torch.cat([{', '.join(inner)}], dim=1)"] if len(inner) > 1 else inner
    outputs += ["self.project_out(x)"] if 0 in sources[last] else []
    done.append(f"return {' + '.join(outputs)}")
    if cut:
        made.insert(0, "self.widths = widths")
    cells = [
        f"Cell({before}, {_tuple(each[1:last])}, {after})"
        for (before, after), each in zip(skeleton.widths(), widths, strict=True)
    ]
    between = _with_pools(cells, skeleton.cells, "nn.MaxPool2d(2, ceil_mode=True)")
    return (
        f"{_BLOCK}class Cell(nn.Module):\n"
        f'    """The cell that was found; `widths` are the channels of its inner vertices."""\n\n'
        f"    def __init__(self, before: int, widths: tuple[int, ...], after: int) -> None:\n"
        f"        super().__init__()\n{_lines(made, 8)}\n"
        f"    def forward(self, x: torch.Tensor) -> torch.Tensor:\n{_lines(done, 8)}\n\n"
        + _network(skeleton, [f"self.stem = ConvBnRelu({skeleton.image_channels}, {skeleton.stem}, 3)"], between, [])
    )


@network_source.register(ResidualSkeleton)
def _of_sums(skeleton: ResidualSkeleton, graph: Graphs) -> str:
    last = graph.labels[0].tolist().index(OUTPUT)
    sources = [np.flatnonzero(graph.adjacency[0, :, vertex]).tolist() for vertex in range(last + 1)]
    made, done = [], []
    for vertex in range(1, last):
        name = _operation(graph, vertex)
        arriving = " + ".join(f"v{source}" if source else "x" for source in sources[vertex]) or "torch.zeros_like(x)"
        if name == "skip_connect":
            done.append(f"v{vertex} = {arriving}")
            continue
        kernel = RESIDUAL_KERNELS[name]
        average = "nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)"
        made.append(f"self.vertex_{vertex} = {f'ReluConvBn(width, width, {kernel})' if kernel else average}")
        done.append(f"v{vertex} = self.vertex_{vertex}({arriving})")
    ends = " + ".join(f"v{source}" if source else "x" for source in sources[last]) or "torch.zeros_like(x)"
    done.append(f"return {ends}")
    cells, stacks = [f"Cell({after})" for _, after in skeleton.widths()], [*skeleton.widths()]
    between = []
    for number, cell in enumerate(cells):
        if number and number % skeleton.cells == 0:
            between.append(f"Halve({stacks[number][0]}, {stacks[number][1]})")
        between.append(cell)
    stem = [
        "self.stem = nn.Sequential(",
        f"    nn.Conv2d({skeleton.image_channels}, {skeleton.stem}, 3, padding=1, bias=False),",
        f"    nn.BatchNorm2d({skeleton.stem}),",
        ")",
    ]
    ends_with = [f"nn.BatchNorm2d({skeleton.last})", "nn.ReLU()"]
    needed = "ReluConvBn" in "".join([*made, *between]) or skeleton.stacks > 1
    return (
        f"{_PRE_BLOCK if needed else ''}{_HALVE if skeleton.stacks > 1 else ''}class Cell(nn.Module):\n"
        f'    """The cell that was found, on `width` channels."""\n\n'
        f"    def __init__(self, width: int) -> None:\n"
        f"        super().__init__()\n{_lines(made, 8) if made else ''}\n"
        f"    def forward(self, x: torch.Tensor) -> torch.Tensor:\n{_lines(done, 8)}\n\n"
        + _network(skeleton, stem, between, ends_with)
    )


def _network(skeleton: Skeleton, stem: list[str], cells: list[str], ends: list[str]) -> str:
    layers = ["self.cells = nn.Sequential(", *(f"    {cell}," for cell in [*cells, *ends]), ")"]
    dense = f"self.dense = nn.Linear({skeleton.last}, {skeleton.classes})"
    return (
        "class Network(nn.Module):\n"
        '    """From images as they are stored to a score of each class, or to a value."""\n\n'
        "    def __init__(self, mean: list[float], deviation: list[float]) -> None:\n"
        "        super().__init__()\n"
        '        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)\n'
        '        self.register_buffer("deviation", torch.tensor(deviation)[:, None, None], persistent=False)\n'
        f"{_lines([*stem, *layers, dense], 8)}\n"
        "    def forward(self, images: torch.Tensor) -> torch.Tensor:\n"
        "        x = (images - self.mean) / self.deviation\n"
        "        x = self.cells(self.stem(x))\n"
        "        return self.dense(x.mean(dim=(2, 3)))\n"
    )


def _operation(graph: Graphs, vertex: int) -> str:
    name: str = graph.operations[graph.labels[0, vertex] - FIRST_OPERATION]
    return name


def _with_pools(cells: list[str], each: int, pool: str) -> list[str]:
    return [line for number, cell in enumerate(cells) for line in ([pool] * (number > 0 == number % each) + [cell])]


def _tuple(numbers: Iterable[int]) -> str:
    listed = [str(number) for number in numbers]
    return f"({listed[0]},)" if len(listed) == 1 else f"({', '.join(listed)})"


def _lines(lines: Iterable[str], indent: int) -> str:
    return "".join(f"{' ' * indent}{line}\n" for line in lines)
