"""Hook of mkdocs: one page of API reference per package, with its modules, and an entry in the navigation.

mkdocstrings reads the docstrings without importing the code, so the site builds without torch.
"""

from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PACKAGES = ("rvc", "parity", "reports", "reference", "bench")


def _modules() -> dict[str, list[str]]:
    """Package to its modules, each by its full name: `rvc.f0` to [rvc.f0, rvc.f0.pm, …]."""
    modules: dict[str, list[str]] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            folder = ".".join(parts[:-1])
            if path.stem == "__init__":
                modules.setdefault(folder, []).insert(0, folder)
            elif path.stem != "__main__":
                modules.setdefault(folder, []).append(".".join(parts))
    return modules


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Append the pages to the navigation, grouped by top-level package."""
    groups: dict[str, list[dict[str, Any]]] = {package: [] for package in PACKAGES}
    for package in sorted(_modules()):
        groups[package.split(".")[0]].append({package: f"api/{package}.md"})
    assert config.nav is not None
    config.nav.append({"API reference": [{package: pages} for package, pages in groups.items()]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages to the files of the site."""
    for package, modules in _modules().items():
        text = f"# {package}\n\n" + "\n".join(f"::: {module}\n" for module in modules)
        files.append(File.generated(config, f"api/{package}.md", content=text))
    return files
