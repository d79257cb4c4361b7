"""Imports keep the directions of docs/architecture.md: between packages, between subpackages, and without cycles."""

import ast
import functools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("rvc", "rvc_onnx", "parity", "reference", "reports", "bench", "field", "reliability")
ORIGINALS = ("rvc_python", "infer", "configs", "fairseq", "torchcrepe", "torchfcpe", "transformers")
REFERENCE_MAY_IMPORT = ("parity.stages", "parity.errors", "parity.goldens", "parity.hooks", "parity.voices")
MAY_IMPORT_RVC = ("parity.rvc_bridge", "parity.mutants")
MAY_IMPORT_TORCH = (*MAY_IMPORT_RVC, "parity.adapters", "parity.hooks", "parity.voices.exported_models")
# What an environment of a program under test may lack, and the hooks do without.
NOT_FOR_HOOKS = ("safetensors", "soundfile", "soxr", "jinja2", "tqdm", "rvc")
# Modules of the standard library that Windows lacks, and those that other systems lack.
OF_ONE_SYSTEM = {
    "_winapi",
    "crypt",
    "curses",
    "fcntl",
    "grp",
    "msvcrt",
    "nis",
    "ossaudiodev",
    "posix",
    "pty",
    "pwd",
    "readline",
    "resource",
    "spwd",
    "syslog",
    "termios",
    "tty",
    "winreg",
    "winsound",
}
TOY_FORK = ROOT / "tests" / "harness" / "fork"  # its own modules have the names of an original's
MODULES_IN_A_FOLDER = 15
MODULES_AT_THE_TOP_OF_PARITY = 6
NAMED_AFTER_THEIR_SUBJECT = (
    # Folders whose modules carry the name of a command, a stage or a side of one, so that a name of theirs may recur.
    "parity",  # aliases of commands
    "parity.cli",
    "parity.judge.diagnosis",
    "parity.mutants.catalog.offline",
    "parity.mutants.catalog.realtime",
    "parity.rvc_bridge",
    "parity.voices",
    "rvc.cli",
    "rvc.f0.methods",
    "rvc.nn",
    "bench",  # aliases of commands
    "bench.sections",
    "reliability.fuzz",
    "reliability.fuzz.mutation",
    "reliability.fuzz.targets",
)


def module_name(path: Path) -> str:
    """`rvc/f0/mel.py` to rvc.f0.mel, and a package's `__init__.py` to the package."""
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


def package_files(package: str) -> list[Path]:
    """Every module of a package, sorted."""
    return sorted((ROOT / package).rglob("*.py"))


MODULES = {module_name(path): path for package in PACKAGES for path in package_files(package)}


def statements(path: Path, nested: bool) -> Iterator[ast.stmt]:
    """The statements of a module; without `nested` only those that run on import, TYPE_CHECKING blocks excluded."""
    todo: list[ast.AST] = list(ast.parse(path.read_text(encoding="utf-8")).body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.stmt):
            yield node
        if not nested and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if not nested and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo += node.orelse
            continue
        todo += ast.iter_child_nodes(node)


@functools.cache
def imports(path: Path, nested: bool = True) -> tuple[str, ...]:
    """Full names that a file imports; `from a import b` is a.b."""
    return tuple(import_names(path, nested))


def import_names(path: Path, nested: bool) -> Iterator[str]:
    """The names of `imports`, one by one."""
    for node in statements(path, nested):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, f"{path} has a relative import; write the full name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_modules(path: Path, nested: bool = True) -> set[str]:
    """The project's modules that a file imports."""
    modules = set()
    for name in imports(path, nested):
        while name and name not in MODULES:
            name = name.rpartition(".")[0]
        if name:
            modules.add(name)
    return modules - {module_name(path)}


def is_in(module: str, packages: Iterable[str]) -> bool:
    """True where the module is one of the packages or lies in one of them."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def imports_of_other_packages(package: str) -> list[tuple[str, str]]:
    """(importing module, imported module of another package)."""
    return [
        (module_name(path), name)
        for path in package_files(package)
        for name in sorted(imported_modules(path))
        if name.split(".")[0] != package
    ]


def subpackage(module: str) -> str:
    """The part of a package that a module belongs to: rvc.f0 for rvc.f0.mel; a module at the top stands for itself."""
    return ".".join(module.split(".")[:2]) if "." in module else f"{module}.__init__"


def graph(node_of: Mapping[str, str]) -> dict[str, set[str]]:
    """Node to the nodes that it imports when it is imported; `node_of` maps each module to its node."""
    edges: dict[str, set[str]] = defaultdict(set)
    for module, path in MODULES.items():
        edges[node_of[module]] |= {node_of[name] for name in imported_modules(path, nested=False)}
    return {node: targets - {node} for node, targets in edges.items()}


def cycles(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """Strongly connected components of more than one node, by Tarjan's algorithm (SIAM J. Comput. 1, 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    components = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in sorted(edges.get(node, ())):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            component = [stack.pop()]
            while component[-1] != node:
                component.append(stack.pop())
            if len(component) > 1:
                components.append(sorted(component))

    for node in edges:
        if node not in index:
            visit(node)
    return components


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_holds_code(package: str) -> None:
    assert package_files(package), f"{package}/ holds no code, so the tests below would check nothing"


def test_rvc_imports_no_other_package() -> None:
    assert imports_of_other_packages("rvc") == []


def test_parity_imports_rvc_only_in_its_bridge_and_its_mutants() -> None:
    for module, name in imports_of_other_packages("parity"):
        assert is_in(name, ["rvc"]) and is_in(module, MAY_IMPORT_RVC), f"{module} imports {name}"


def test_reference_imports_only_goldens_stages_voices_and_errors_of_parity() -> None:
    for module, name in imports_of_other_packages("reference"):
        assert is_in(name, REFERENCE_MAY_IMPORT), f"{module} imports {name}"


def test_what_reference_imports_does_not_import_rvc() -> None:
    seen: set[str] = set()
    todo = {name for name in MODULES if is_in(name, REFERENCE_MAY_IMPORT)}
    while todo:
        module = todo.pop()
        seen.add(module)
        names = imported_modules(MODULES[module])
        assert not [name for name in names if is_in(name, ["rvc"])], f"{module} imports rvc"
        todo |= names - seen


def test_reports_import_only_parity() -> None:
    for module, name in imports_of_other_packages("reports"):
        assert is_in(name, ["parity"]), f"{module} imports {name}"


def test_bench_imports_only_rvc_and_parity() -> None:
    for module, name in imports_of_other_packages("bench"):
        assert is_in(name, ["rvc", "parity"]), f"{module} imports {name}"


def test_field_imports_only_parity_and_its_adapters_only_the_hooks() -> None:
    for module, name in imports_of_other_packages("field"):
        allowed = "parity.hooks" if module.endswith(".adapter") else "parity"
        assert is_in(name, [allowed]), f"{module} imports {name}"


def test_hooks_import_nothing_of_the_judge_and_no_library_that_a_program_may_lack() -> None:
    for path in package_files("parity/hooks"):
        others = [name for name in imported_modules(path) if not is_in(name, ["parity.hooks"]) and name != "parity"]
        lacking = [name for name in imports(path) if is_in(name, NOT_FOR_HOOKS)]
        assert (others, lacking) == ([], []), f"{path} imports {others + lacking}"


@pytest.mark.parametrize("package", ["rvc", "parity", "reports", "bench", "field", "tests"])
def test_no_package_but_reference_imports_an_original(package: str) -> None:
    for path in package_files(package):
        if path.is_relative_to(TOY_FORK):
            continue
        for name in imports(path):
            assert name.split(".")[0] not in ORIGINALS, f"{path} imports {name}"


def test_tests_do_not_import_the_code_that_runs_originals() -> None:
    for path in package_files("tests"):
        drivers = {name for name in imported_modules(path) if name.startswith("reference.originals.")}
        assert not drivers, f"{path} imports {sorted(drivers)}"


def optional_imports(path: Path) -> set[str]:
    """Modules that a file does without where they are missing: imported in a `try` that catches their absence."""
    return {
        alias.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Try) and any(ast.unparse(h.type or h) == "ModuleNotFoundError" for h in node.handlers)
        for statement in node.body
        if isinstance(statement, ast.Import)
        for alias in statement.names
    }


def test_the_judge_and_the_reports_need_no_module_of_one_operating_system() -> None:
    for path in (*package_files("parity"), *package_files("reports")):
        names = {name.split(".")[0] for name in imports(path)} - optional_imports(path)
        assert not names & OF_ONE_SYSTEM, f"{path} imports {sorted(names & OF_ONE_SYSTEM)}"


def test_the_judge_imports_torch_only_beside_rvc_and_in_adapters() -> None:
    for path in (*package_files("parity"), *package_files("reports")):
        if not is_in(module_name(path), MAY_IMPORT_TORCH):
            names = [name for name in imports(path) if name.split(".")[0] == "torch"]
            assert not names, f"{path} imports {names[0]}"


def test_modules_import_each_other_without_cycles() -> None:
    assert cycles(graph({module: module for module in MODULES})) == []


def test_packages_import_each_other_without_cycles() -> None:
    assert cycles(graph({module: module.split(".")[0] for module in MODULES})) == []


def test_subpackages_import_each_other_without_cycles() -> None:
    assert cycles(graph({module: subpackage(module) for module in MODULES})) == []


def test_cycles_are_detected() -> None:
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set()}) == [["a", "b", "c"]]


def test_no_folder_holds_more_modules_than_fit_on_a_screen() -> None:
    for package in PACKAGES:
        for folder in {path.parent for path in package_files(package)}:
            count = len([path for path in folder.glob("*.py") if not path.name.startswith("__")])
            most = MODULES_AT_THE_TOP_OF_PARITY if folder == ROOT / "parity" else MODULES_IN_A_FOLDER
            assert count <= most, f"{folder.relative_to(ROOT)}/ holds {count} modules, at most {most} are allowed"


def test_modules_of_one_package_have_names_of_their_own() -> None:
    folders: dict[tuple[str, str], set[str]] = defaultdict(set)
    for module, path in MODULES.items():
        if not path.name.startswith("__"):
            folder, _, name = module.rpartition(".")
            folders[module.split(".")[0], name].add(folder)
    for (package, name), places in folders.items():
        others = {place for place in places - set(NAMED_AFTER_THEIR_SUBJECT) if not place.startswith("field.")}
        assert len(others) <= 1, f"several modules of {package} are called {name}: {sorted(others)}"


def test_the_architecture_page_describes_every_subpackage() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for package in ("rvc", "parity"):
        described = set(re.findall(r"`(\w+)`", page.split(f"| `{package}.` | purpose |")[1].split("\n\n")[0]))
        subpackages = {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
        assert subpackages <= described, f"docs/architecture.md does not describe {sorted(subpackages - described)}"


def test_the_architecture_page_names_files_that_exist() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    names = re.findall(r"`((?:rvc|parity|reference|tests|docs)/[\w/.]*)`", page)
    assert len(names) >= 15
    missing = [name for name in names if not (ROOT / name).exists()]
    assert missing == []
