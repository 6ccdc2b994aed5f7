"""When the kernels serve, and that torch holds them as one operation; what they compute: `kernels_against_loops.py`."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from common.operation_recorder import Recorder
from torch import Tensor
from torch._subclasses import FakeTensorMode

from selfcontrast import InputError, cosine_kmeans
from selfcontrast.clustering import triton_engine
from selfcontrast.clustering.kmeans import _chosen
from selfcontrast.clustering.triton_engine import missing

AGAINST_LOOPS = Path(__file__).with_name("kernels_against_loops.py")
needs_triton = pytest.mark.skipif(
    find_spec("triton") is None or torch.__version__ < "2.7", reason="needs the Triton of torch 2.7 or later"
)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tensors without values that seem to lie on a GPU, on a machine that seems to have all that Triton needs."""
    monkeypatch.setattr(triton_engine, "_MISSING", None)
    with FakeTensorMode():
        yield


def operations(features: Tensor, clusters: int = 3, **options: Any) -> list[str]:
    """The operations of one clustering."""
    with Recorder() as recorder:
        cosine_kmeans(features, clusters, **options)
    return list(recorder.operations.elements())


def on_gpu(*shape: int, **options: Any) -> Tensor:
    return torch.empty(shape, device="cuda", **options)


@needs_triton
def test_in_the_interpreter() -> None:
    """In a process of its own, for which the variable is set before anything imports Triton."""
    command = [sys.executable, "-m", "pytest", "-o", "addopts=", "-qx", "-p", "no:warnings", str(AGAINST_LOOPS)]
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    passed = re.search(r"^(\d+) passed in", done.stdout, re.MULTILINE)
    assert done.returncode == 0 and passed and int(passed[1]) > 40, done.stdout[-4000:] + done.stderr[-1000:]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_on_a_gpu_the_whole_clustering_is_one_operation(
    gpu: None, dtype: torch.dtype, layout: torch.memory_format
) -> None:
    features = on_gpu(2, 8, 30, 30, dtype=dtype).to(memory_format=layout)
    assert operations(features) == ["rand", "cluster"]
    labels = cosine_kmeans(features, 3)
    assert labels.shape == (2, 30, 30) and labels.dtype == torch.int64 and labels.device.type == "cuda"


def test_centres_that_are_given_start_the_same_operation(gpu: None) -> None:
    assert operations(on_gpu(2, 8, 30, 30), init=on_gpu(2, 3, 8)).count("cluster") == 1


@pytest.mark.parametrize(
    ("shape", "clusters", "dtype", "reason"),
    [
        ((1, 8, 30, 30), 3, torch.float64, "features of another precision"),
        ((1, 8, 30, 30), 17, torch.float32, "more clusters or pixels"),
        ((1, 8, 128, 129), 3, torch.float32, "more clusters or pixels"),
    ],
)
def test_what_the_kernels_do_not_serve_is_left_to_torch(
    gpu: None, shape: tuple[int, ...], clusters: int, dtype: torch.dtype, reason: str
) -> None:
    features = on_gpu(*shape, dtype=dtype)
    assert _chosen("auto", features, clusters) == "torch"
    with pytest.raises(InputError, match=f"^engine: expected for 'triton' CUDA, .*, got {reason}; leave engine= out"):
        cosine_kmeans(features, clusters, engine="triton")


def test_the_largest_that_they_serve(gpu: None) -> None:
    assert _chosen("auto", on_gpu(1, 8, 128, 128), 16) == "triton"


def test_torch_can_be_asked_for(gpu: None) -> None:
    assert _chosen("torch", on_gpu(1, 8, 30, 30), 3) == "torch"


def test_where_something_is_missing_torch_serves(gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_engine, "_MISSING", "no C compiler")
    assert _chosen("auto", on_gpu(1, 8, 30, 30), 3) == "torch"
    with pytest.raises(InputError, match="got no C compiler; leave engine= out"):
        cosine_kmeans(on_gpu(1, 8, 30, 30), 3, engine="triton")


def test_an_old_gpu_is_left_to_torch(gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    for capability, serves in (((7, 5), False), ((8, 0), True), ((9, 0), True)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, found=capability: found)
        assert (triton_engine.refusal(on_gpu(1, 8, 30, 30), 3) is None) == serves


def test_a_processor_is_never_given_the_kernels() -> None:
    features = torch.rand(1, 8, 6, 6)
    assert "cluster" not in operations(features)
    with pytest.raises(InputError, match="got features that are not on CUDA"):
        cosine_kmeans(features, 3, engine="triton")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("find_spec", lambda name: None), "no triton"),
        (("shutil.which", lambda name: None), "no C compiler"),
        (("sysconfig.get_paths", lambda: {"include": "nowhere"}), "no nowhere/Python.h"),
        (("torch.version.hip", "6.4"), "torch for AMD"),
        (("torch.__version__", torch.torch_version.TorchVersion("2.6.0")), "torch below 2.7"),
    ],
)
def test_what_a_machine_lacks(monkeypatch: pytest.MonkeyPatch, change: tuple[str, Any], expected: str) -> None:
    monkeypatch.setattr(torch, "__version__", torch.torch_version.TorchVersion("2.7.0"))
    monkeypatch.setattr(triton_engine, "find_spec", lambda name: object())
    monkeypatch.setattr("selfcontrast.clustering.triton_engine." + change[0], change[1])
    assert missing() == expected.replace("/", os.sep)


def test_the_package_needs_no_triton(monkeypatch: pytest.MonkeyPatch, no_shape_checks: ModuleType) -> None:
    monkeypatch.setitem(sys.modules, "triton", None)
    # It is loaded once more, as by the fixture, and finds what it registered before.
    assert no_shape_checks.cosine_kmeans(torch.rand(1, 4, 5, 5), 2).shape == (1, 5, 5)
    assert not any(name.endswith("triton_kernels") for name in sys.modules if name.startswith("selfcontrast"))


def test_a_compiled_graph_on_a_gpu_holds_one_operation(
    no_shape_checks: Any, fresh_compiler: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(no_shape_checks.clustering.triton_engine, "_MISSING", None)
    found = list[str]()

    def backend(graph: Any, inputs: Any) -> Any:
        found.extend(str(node.target) for node in graph.graph.nodes if node.op == "call_function")
        return graph

    def cluster(features: Tensor) -> Tensor:
        return no_shape_checks.cosine_kmeans(features, 3)

    with FakeTensorMode():
        labels = torch.compile(cluster, fullgraph=True, backend=backend)(on_gpu(2, 8, 30, 30))
    assert labels.shape == (2, 30, 30)
    assert len([name for name in found if "selfcontrast" in name]) == 1
