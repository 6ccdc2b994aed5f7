"""Write what `torch.compile` does with published models: `python measure_compile.py DIR > compile.json`, on a CPU.

DIR holds the checkouts, see README.md beside this file. Each model runs without compiler, then compiled by each
backend, first without and then with the task attached; each time three training steps, dropout off. Nothing is taken
from the compiler's caches, and nothing is compiled in other processes.
"""

import contextlib
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch._inductor.config
from builders import build
from measured_on import about
from torch import nn
from torch._dynamo.backends.registry import lookup_backend
from torch._dynamo.utils import counters
from training_runs import attached, without_draws

EVALUATES = ("bam",)
"""Their forward calls `eval` on names of its own variables, which torch.compile forgets where a graph breaks."""
CASES = (
    *(("pfenet", None), ("pfenet", "eager"), ("pfenet", "aot_eager")),
    *(("bam", None), ("bam", "eager"), ("bam", "aot_eager")),
    *(("panet", None), ("panet", "eager")),
    ("pfenet", "inductor"),
)
"""The shortest first. `eager` and `aot_eager` make graphs and generate no code; `inductor` is what users run."""
STEPS = 3
COMMAND = "python tests/upstream/measure_compile.py DIR"


@contextlib.contextmanager
def on_cpu() -> Iterator[None]:
    """As in patches.py, but without the change of `Tensor.to`, which the compiler itself calls."""
    arange = torch.arange

    def arange_on_cpu(*arguments: Any, **keywords: Any) -> torch.Tensor:
        return arange(*arguments, **{**keywords, "device": None})

    with (
        mock.patch.object(torch.Tensor, "cuda", lambda self, *_, **__: self),
        mock.patch.object(torch, "arange", arange_on_cpu),
    ):
        yield


def backend_on_cpu(name: str) -> Callable[..., Any]:
    """A backend that takes the moves to a GPU out of each graph first."""
    backend = lookup_backend(name)

    def compile(graph: torch.fx.GraphModule, inputs: Any) -> Any:
        for node in list(graph.graph.nodes):
            if node.op == "call_method" and node.target == "cuda":
                node.replace_all_uses_with(node.args[0])
                graph.graph.erase_node(node)
        graph.recompile()
        return backend(graph, inputs)

    return compile


def compiled(model: nn.Module, name: str, backend: str | None) -> nn.Module:
    if backend is None:
        return model
    if name in EVALUATES:
        type(model).forward = torch.compiler.disable(type(model).forward, recursive=False)
    return torch.compile(model, backend=backend_on_cpu(backend))


def measure(checkouts: Path, name: str, backend: str | None, attach: bool) -> dict[str, object]:
    """Processor seconds and loss of each step, and how many graphs there are after it."""
    torch.compiler.reset()
    counters.clear()
    published = build(name, checkouts)
    with (
        without_draws(published.model),
        attached(published) if attach else contextlib.nullcontext() as attachment,
    ):
        model = compiled(published.model, name, backend)
        seconds, losses, graphs = list[float](), list[float](), list[int]()
        for _ in range(STEPS):
            started = processor_seconds()
            loss = published.main_loss(model(*published.arguments, **published.keywords))
            if attachment is not None:
                loss = attachment.blend(loss)
            loss.backward()
            seconds.append(round(processor_seconds() - started, 2))
            losses.append(float(loss.detach()))
            graphs.append(counters["stats"]["unique_graphs"])
    return {"processor seconds": seconds, "losses": losses} | ({} if backend is None else {"graphs": graphs})


def processor_seconds() -> float:
    """Of this process, and of the C++ compiler's that it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main(checkouts: Path) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    head, results = about(COMMAND), dict[str, dict[str, object]]()
    torch._inductor.config.compile_threads = 1
    torch._inductor.config.force_disable_caches = True
    for name, backend in CASES:
        for attach in (False, True):
            way = f"{backend or 'not compiled'}, {'attached' if attach else 'alone'}"
            print(f"{name}: {way}", file=sys.stderr)
            with on_cpu(), contextlib.redirect_stdout(sys.stderr):
                results.setdefault(name, {})[way] = measure(checkouts, name, backend, attach)
            print(f"  {results[name][way]}", file=sys.stderr)
    print(json.dumps(head | {"models": results}, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
