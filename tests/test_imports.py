"""Arrows run one way: which part of the library may import which, read from the code itself."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "selfcontrast"
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)
# From the bottom up; a part may import what stands above it here, and nothing below.
ORDER = (
    *("errors", "precision", "sampling", "index_grids", "batchnorm"),
    *("clustering.feature_matrix", "clustering.seeding", "clustering.lloyd", "clustering.faiss_engine"),
    *("clustering.triton_kernels", "clustering.triton_engine"),
    *("clustering.kmeans", "clustering.pyramid", "clustering"),
    *("prototypes", "loss", "contrast", "visualize", "blended_step", "auxiliary"),
    *(
        "attach",
        "attach.direct_calls",
        "attach.host",
        "attach.nested_tensors",
        "attach.checkpointing",
        "attach.hooks",
        "attach.following",
    ),
    *("attach.presets.attention_family", "attach.presets.attention_followers", "attach.presets.canet_family"),
    *("attach.presets.cosine_family", "attach.presets.cosine_followers", "attach.presets.pfenet_family"),
    *("attach.presets.pfenet_followers", "attach.presets.two_branches", "attach.presets.refused"),
    *("attach.presets", "attach.attachable"),
    *("attach.mechanisms", "attach.mechanisms.split_batchnorm", "attach.mechanisms.token_grid"),
    *("attach.mechanisms.undisturbed", "attach.mechanisms.memory", "attach.mechanisms.counterparts"),
    *("attach.mechanisms.query_features", "attach.mechanisms.fold", "attach.mechanisms.replay"),
    *("attach.mechanisms.exchange.following_query", "attach.mechanisms.exchange.similarities"),
    *("attach.mechanisms.exchange.recognition", "attach.mechanisms.exchange.listening"),
    *("attach.mechanisms.exchange.exchanging", "attach.mechanisms.exchange"),
    *("attach.verify.report", "attach.verify.forwards", "attach.verify.attached", "attach.verify.unchanged"),
    *("attach.verify.second_comparison", "attach.verify.gradients", "attach.verify.features", "attach.verify.likeness"),
    *("attach.verify.places", "attach.verify.images", "attach.verify.checking", "attach.verify", "attach.attachment"),
    *(
        "attach.probe.forwards",
        "attach.probe.maps",
        "attach.probe.trace",
        "attach.probe.write_host",
        "attach.probe.locate",
    ),
    *("attach.probe.locate.comparison", "attach.probe.locate.features", "attach.probe.locate.palettes"),
    *("attach.probe.locate.entries", "attach.probe.locate.branches", "attach.probe.locate.exits"),
    *("attach.probe.locate.mask", "attach.probe.locate.similarities", "attach.probe.locate.cosine"),
    *("attach.probe.why_not", "attach.probe.probing", "attach.probe", ""),
    *("doctor", "doctor.devices", "doctor.optional_parts", "doctor.findings", "__main__"),
)
# `auxiliary.attach(...)` imports these when it is called, and names their types.
LATE = {"attach.attachable", "attach.attachment", "attach.host", "attach.presets"}
# What a part may know although much more stands above it: only `attach` knows hooks, the method's steps know no model.
KNOWS = {
    "clustering": {"errors", "precision", "sampling", "index_grids", "clustering"},
    "prototypes": {"errors", "precision", "sampling", "index_grids"},
    "loss": {"errors", "precision", "prototypes"},
}


# The same beside the library; nobody imports a command. The example has its own test, in pfenet_scnet/.
APART = {"experiments": ("grid", "running", "gpu", "evidence"), "benchmarks": ("common", "mutation")}


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name, without the package's own."""
    found: dict[str, Path] = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def names_in(path: Path) -> set[str]:
    """The modules that a file imports anywhere, in a function or for types too."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return names | {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}


def imported(path: Path) -> set[str]:
    """The package's own modules that one of its files imports."""
    own = {name for name in names_in(path) if name.split(".")[0] == "selfcontrast"}
    return {name.removeprefix("selfcontrast").lstrip(".") for name in own}


def test_every_module_has_its_place() -> None:
    assert sorted(ORDER) == sorted(MODULES)


@pytest.mark.parametrize("name", ORDER)
def test_arrows_run_one_way(name: str) -> None:
    allowed = set(ORDER[: ORDER.index(name)]) | (LATE if name == "auxiliary" else set())
    assert imported(MODULES[name]) <= allowed


@pytest.mark.parametrize("part", KNOWS)
def test_steps_of_the_method_know_no_more_than_they_need(part: str) -> None:
    for name, path in MODULES.items():
        if name.partition(".")[0] == part:
            assert {other.partition(".")[0] for other in imported(path)} <= KNOWS[part], name


def test_what_auxiliary_imports_late_is_not_imported_with_it() -> None:
    tree = ast.parse(MODULES["auxiliary"].read_text())
    at_once = {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert not {module for module in at_once if module and module.startswith("selfcontrast.attach")}


@pytest.mark.parametrize("name", [name for name in MODULES if name.partition(".")[0] != "attach"])
def test_only_attach_knows_hooks(name: str) -> None:
    assert "forward_hook" not in MODULES[name].read_text() and "forward_pre_hook" not in MODULES[name].read_text()


@pytest.mark.parametrize("folder", APART)
def test_no_part_imports_a_command_or_a_later_part(folder: str) -> None:
    order = APART[folder]
    # The command benchmarks/evaluation.py and a package of the example share a name; a part means the package.
    commands = {path.stem for path in (ROOT / folder).glob("*.py")} - {"evaluation"}
    assert commands
    for place, part in enumerate(order):
        for path in (ROOT / folder / part).glob("*.py"):
            roots = {name.partition(".")[0] for name in names_in(path)}
            assert not roots & (commands | set(order[place + 1 :])), path


def test_no_folder_holds_more_than_a_dozen_modules_and_no_module_250_lines_of_code() -> None:
    paths = [path for folder in ("selfcontrast", "examples", *APART) for path in (ROOT / folder).rglob("*.py")]
    for folder in {path.parent for path in paths}:
        assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= 12, folder
    for path in paths:
        text = path.read_text()
        documented = [node for node in ast.walk(ast.parse(text)) if isinstance(node, DOCUMENTED)]
        docstrings = sum(len((ast.get_docstring(node, clean=False) or "").splitlines()) for node in documented)
        assert len(text.splitlines()) - docstrings <= 250, path
