"""The kernels compiled for GPUs that need not be there: the interpreter of the other tests forgives errors in types.

Compiled is what a clustering would launch, so a kernel that it launches otherwise is compiled otherwise here too.
"""

import re
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from nightly import at_night

# Triton has builds for Linux alone, and that of torch 2.6 is too old.
if find_spec("triton") is None or torch.__version__ < "2.7":
    pytest.skip("needs the Triton of torch 2.7 or later", allow_module_level=True)

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton_launches import Launch, launches_of

CUOBJDUMP = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
POINTERS = {
    torch.float32: "*fp32",
    torch.float16: "*fp16",
    torch.bfloat16: "*bf16",
    torch.uint8: "*u8",
    torch.int32: "*i32",
    torch.int64: "*i64",
}
# What one program may hold without asking for more than a GPU of either kind always gives.
SHARED, REGISTERS, ALL_REGISTERS = 48 * 1024, 255, 65536

PAPER, ODD, LARGEST = (4, 2048, 60, 60), (2, 511, 53, 53), (1, 64, 128, 128)
USUAL, LAST = torch.contiguous_format, torch.channels_last
CASES = [
    (90, torch.float32, PAPER, 3, USUAL),
    (80, torch.bfloat16, PAPER, 3, LAST),
    (80, torch.float16, LARGEST, 16, LAST),
    (90, torch.float16, ODD, 3, USUAL),
    pytest.param(80, torch.float32, PAPER, 3, USUAL, marks=at_night),
    pytest.param(90, torch.bfloat16, PAPER, 3, LAST, marks=at_night),
]


def specialised(launch: Launch) -> tuple[dict[str, str], dict[str, Any], dict[tuple[int], Any]]:
    """Types, constants and multiples of 16 of a launch's arguments, as Triton takes them when it compiles for one."""
    values = dict(zip(launch.kernel.arg_names, launch.arguments, strict=False)) | launch.options
    types, constants, multiples = dict[str, str](), dict[str, Any](), dict[tuple[int], Any]()
    for place, parameter in enumerate(launch.kernel.params):
        value = values[parameter.name]
        if isinstance(value, torch.Tensor):
            types[parameter.name] = POINTERS[value.dtype]
        elif parameter.is_constexpr or (value == 1 and not parameter.do_not_specialize):
            types[parameter.name], constants[parameter.name] = "constexpr", value
            continue
        else:
            types[parameter.name] = "i32"
        if isinstance(value, torch.Tensor) or (value % 16 == 0 and not parameter.do_not_specialize):
            multiples[(place,)] = [["tt.divisibility", 16]]
    return types, constants, multiples


def compiled(launch: Launch, capability: int) -> Any:
    options = {name: launch.options[name] for name in ("num_warps",) if name in launch.options}
    source = ASTSource(launch.kernel, *specialised(launch))
    return triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)


def resources(cubin: bytes, folder: Path) -> dict[str, int]:
    path = folder / "kernel.cubin"
    path.write_bytes(cubin)
    shown = subprocess.run([CUOBJDUMP, "-res-usage", path], check=True, capture_output=True, text=True).stdout
    return {name: int(count) for name, count in re.findall(r"(REG|STACK|SHARED|LOCAL):(\d+)", shown)}


def different(launches: list[Launch]) -> list[Launch]:
    """One launch of each that is compiled separately."""
    found = {
        (launch.kernel.__name__, str(specialised(launch)), launch.options.get("num_warps")): launch
        for launch in launches
    }
    return list(found.values())


@pytest.mark.parametrize(("capability", "dtype", "shape", "clusters", "layout"), CASES)
def test_every_kernel_compiles_and_fits(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capability: int,
    dtype: torch.dtype,
    shape: tuple[int, int, int, int],
    clusters: int,
    layout: torch.memory_format,
) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    launches = different(launches_of(monkeypatch, shape, clusters, dtype=dtype, layout=layout))
    # Three ways to seed: the first pixel, one between, and the last one.
    assert sorted(launch.kernel.__name__ for launch in launches) == ["assign", "move", "rescue", *["seed"] * 3, "weigh"]
    for launch in launches:
        kernel = compiled(launch, capability)
        used = resources(kernel.asm["cubin"], tmp_path)
        name = launch.kernel.__name__
        assert "f64" not in kernel.asm["ttgir"], name
        # A few bytes of the stack are no registers that found no place.
        assert used["LOCAL"] == 0 and used["STACK"] <= 64, (name, used)
        assert kernel.metadata.shared + used["SHARED"] <= SHARED, (name, used)
        assert used["REG"] <= REGISTERS and used["REG"] * 32 * kernel.metadata.num_warps <= ALL_REGISTERS, (name, used)


@pytest.mark.parametrize(("given", "count"), [(False, 36), (True, 33)])
def test_a_clustering_of_the_paper_is_so_many_launches(
    monkeypatch: pytest.MonkeyPatch, given: bool, count: int
) -> None:
    assert len(launches_of(monkeypatch, PAPER, given=given)) == count


@pytest.mark.parametrize(("clusters", "iterations"), [(1, 0), (1, 1), (5, 3), (16, 10)])
def test_launches_follow_clusters_and_iterations(
    monkeypatch: pytest.MonkeyPatch, clusters: int, iterations: int
) -> None:
    assert len(launches_of(monkeypatch, ODD, clusters, iterations)) == clusters + 3 * iterations + 3


def test_nothing_that_is_compiled_depends_on_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    one, many = ([specialised(launch) for launch in launches_of(monkeypatch, (batch, *ODD[1:]))] for batch in (1, 16))
    assert one == many
