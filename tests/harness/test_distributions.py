"""What `nox -s dist` builds: each distribution holds all its files and requires what its modules import."""

import os
import subprocess
import sys
import tomllib
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_architecture import imports, is_in, module_name, package_files

from parity.judge.states import NotTried

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import distributions  # noqa: E402 (a program of tools/, which is no package)

PROJECT = distributions.Project.read()
NAMES = list(PROJECT.distributions)
LIBRARIES = {
    "faiss": "faiss-cpu",
    "PIL": "pillow",
    "parselmouth": "praat-parselmouth",
    "sklearn": "scikit-learn",
    "markupsafe": "jinja2",
}
# Modules of the judge that need more than the judge requires: they run `rvc`, or another program, or an extra.
BESIDE_THE_JUDGE = (
    "parity.rvc_bridge",
    "parity.mutants",
    "parity.adapters",
    "parity.hooks",
    "parity.voices.exported_models",
)


def imported_libraries(package: str, without: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """(module, library) for each import that is neither of the standard library nor of the project."""
    for path in package_files(package):
        module = module_name(path)
        for name in imports(path):
            top = name.split(".")[0]
            if top not in sys.stdlib_module_names and not is_in(module, without) and not (ROOT / top).is_dir():
                yield module, LIBRARIES.get(top, top)


def test_the_judge_requires_what_its_modules_import() -> None:
    judge = PROJECT.distributions["rvc-parity"]
    required = set(judge.entry["requires"])
    in_extras = {
        name for extra in ("figures", "accuracy", "perceptual", "exact") for name in judge.entry["extras"][extra]
    }
    used = {
        library for package in judge.entry["packages"] for _, library in imported_libraries(package, BESIDE_THE_JUDGE)
    }
    assert used <= required | in_extras
    assert required <= used
    assert not required & {"torch", *in_extras}


def test_rvc_requires_what_its_modules_import() -> None:
    torch = PROJECT.distributions["rvc-parity-torch"]
    extras = {distributions.name_of(line) for lines in torch.extras.values() for line in lines if "[" not in line}
    used = {library for _, library in imported_libraries("rvc")}
    assert used <= set(torch.entry["requires"]) | extras
    assert set(torch.entry["requires"]) <= used


@pytest.mark.parametrize("name", NAMES)
def test_each_distribution_has_the_versions_of_the_project(name: str) -> None:
    written = tomllib.loads(distributions.own_pyproject(PROJECT.distributions[name]))["project"]
    project = PROJECT.document["project"]
    known = [*project["dependencies"], *(line for lines in project["optional-dependencies"].values() for line in lines)]
    assert set(written["dependencies"]) <= set(known)
    assert (written["name"], written["license"]) == (name, "MIT")
    assert written["scripts"].items() <= project["scripts"].items()


def test_the_extras_of_the_judge_are_the_other_distributions() -> None:
    extras = PROJECT.distributions["rvc-parity"].extras
    version = PROJECT.document["project"]["version"]
    assert extras["torch"] == [f"rvc-parity-torch=={version}"]
    assert extras["goldens"] == ["rvc-parity-goldens~=1.0.0"]
    assert extras["figures"] == ["matplotlib>=3.8", "pillow>=10"]


def test_every_package_and_every_golden_belongs_to_one_distribution() -> None:
    held = [path for distribution in PROJECT.distributions.values() for path in distribution.files.values()]
    assert len(held) == len(set(held))
    for folder in ("rvc", "parity", "reports", "goldens/cases", "goldens/inputs"):
        assert set(distributions.tracked(folder)) <= set(held)


def test_the_wheel_of_goldens_stays_small_enough() -> None:
    files = PROJECT.distributions["rvc-parity-goldens"].files.values()
    size = sum(len(zlib.compress(path.read_bytes(), 1)) for path in files)  # level 1 is a little larger than the wheel
    assert size <= 1.02 * distributions.MOST_GOLDENS


def built_wheel(folder: Path) -> Path:
    """The wheel of the judge, built by setuptools without a network."""
    judge = PROJECT.distributions["rvc-parity"]
    distributions.stage(judge, folder / "source")
    code = "import setuptools.build_meta as b, sys; print(b.build_wheel(sys.argv[1]))"
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(
        [sys.executable, "-c", code, str(folder)], cwd=folder / "source", env=variables, check=True, capture_output=True
    )
    return next(folder.glob("*.whl"))


def test_the_wheel_of_the_judge_holds_every_file_and_no_other(tmp_path: Path) -> None:
    judge, wheel = PROJECT.distributions["rvc-parity"], built_wheel(tmp_path)
    distributions.check_wheel(judge, wheel)
    for change, sentence in (
        ({"parity/data/spread.json": None}, "lacks parity/data/spread.json"),
        ({"parity/data/spread.json": b"{}"}, "is not the file of the repository"),
        ({"parity/fast.so": b""}, "holds parity/fast.so, which it should not"),
        ({"rvc/__init__.py": b""}, "holds rvc/__init__.py, which it should not"),
    ):
        other = tmp_path / "changed" / wheel.name
        other.parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(other, "w") as target:
            content = {name: source.read(name) for name in source.namelist()} | change
            for name, data in content.items():
                if data is not None:
                    target.writestr(name, data)
        with pytest.raises(distributions.Wrong, match=sentence):
            distributions.check_wheel(judge, other)


def test_caches_of_python_are_left_out(tmp_path: Path) -> None:
    goldens = PROJECT.distributions["rvc-parity-goldens"]
    assert not [place for place in goldens.files if "__pycache__" in place]
    onnx = PROJECT.distributions["rvc-onnx"]
    distributions.stage(onnx, tmp_path)
    assert (tmp_path / "MANIFEST.in").read_text().splitlines() == [
        "graft rvc_onnx",
        "global-exclude __pycache__/*",
        "global-exclude *.py[cod]",
    ]
    for name in ("docs/examples/__pycache__/a.cpython-311.pyc", "a.pyc"):
        with pytest.raises(distributions.Wrong, match=r"goldens\.tar\.gz holds .*, which it should not"):
            distributions.refuse_caches(Path("goldens.tar.gz"), ["docs/tutorial.md", name])


def test_the_page_of_the_distributions_lists_all_that_is_not_tried_without_torch() -> None:
    text = " ".join((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").split())
    assert [what for what in NotTried if what.removeprefix("margins of the decisions of ") not in text] == []
    assert [name for name in NAMES if f"| `{name}` |" not in text] == []
