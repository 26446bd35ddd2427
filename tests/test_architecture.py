"""The house: who may import whom, how deep, how long a command is, and what modules are called."""

import ast
import sys
from pathlib import Path

import grimp
import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ["modeling_braintune", "datasets_scripts", "evaluate_metrics", "recipes"]
COMMANDS = sorted(path for path in (ROOT / "recipes").glob("*.py") if path.stem != "__init__")
FLOORS = 5  # of recipes, from a command down
LINES = 300  # of a command
NAMELESS = {"utils", "helpers", "common", "misc", "tools", "core", "base"}  # say nothing of content


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph(*ROOMS, cache_dir=None)


def test_the_layers_that_pyproject_names(capsys):
    kept = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0
    assert kept, capsys.readouterr().out


def test_no_command_is_missing_in_the_layers():
    """What stands at the top of recipes is a command: it can be run."""
    for path in COMMANDS:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert "main" in defined, f"{path.name} has no main(): not a command"


def test_no_import_goes_in_a_circle_and_none_is_too_deep(graph):
    """A module's floor is one above the highest that it imports; tables of contents count none."""
    floors: dict[str, int] = {}

    def floor(module, above=()):
        assert module not in above, " -> ".join((*above[above.index(module) :], module))
        if module not in floors:
            imported = graph.find_modules_directly_imported_by(module)
            ours = [m for m in imported if m.startswith("recipes.")]
            below = max((floor(m, (*above, module)) for m in ours), default=0)
            is_folder = bool(graph.find_children(module))
            floors[module] = below + (not is_folder)
        return floors[module]

    for module in graph.modules:
        if module.startswith("recipes."):
            floor(module)
    too_deep = {module: height for module, height in floors.items() if height > FLOORS}
    assert not too_deep


def test_metrics_can_be_spaces_of_their_own(graph):
    """What is uploaded as a Space imports nothing of ours but what is uploaded with it."""
    spaces = ("evaluate_metrics.brain_alignment", "evaluate_metrics.low_level_impact")
    for module in graph.modules:
        if module.startswith(spaces):
            for imported in graph.find_modules_directly_imported_by(module):
                assert imported.startswith(spaces), f"{module} imports {imported}"


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.stem)
def test_a_command_is_short(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines < LINES, f"{path.name} has {lines} lines; move what is no step of it to stages"


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.stem)
def test_a_command_says_how_threads_wait_before_torch_is_imported(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = [node.module for node in tree.body if isinstance(node, ast.ImportFrom)]
    others = [name for name in imported if name.split(".")[0] not in sys.stdlib_module_names]
    assert others[0].startswith("recipes")


def test_modules_are_named_after_what_they_are_about():
    named = [path for room in [*ROOMS, "tests"] for path in (ROOT / room).rglob("*")]
    assert not [path for path in named if path.stem in NAMELESS]
