"""Adapter skeletons in several languages: a program that compiles, with two stages and a place for each other one.

The files of a language lie in `templates/LANGUAGE/`. The line that holds MARKER becomes one entry for each stage of the
stage table, with a comment of what it reads and makes; a file called `gitignore` is written as `.gitignore`.
"""

import shutil
import tempfile
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from parity import stages
from parity.errors import UsageError
from parity.stages import Earlier, Scope, Stage

MARKER = "// STAGES"
_WIDTH = 116  # columns of a comment
_PLACES = {
    Scope.FILE: "once for the file",
    Scope.SEGMENT: "once for each segment, with the prefix seg0., seg1., …",
    Scope.BLOCK: "once for each block of a realtime stream, with the prefix rt.0., rt.1., …",
}


@dataclass(frozen=True)
class Language:
    """How the table of stages is written in one language.

    Attributes:
        entry: an entry, with the fields `name` and `function`.
        function: the function of an implemented stage, with the field `function`.
        absent: what stands in place of the function of any other stage.
        implemented: name of the stage → function in the template.
        comment: begins a comment that ends with its line.
        build: the command that builds the program, in its folder; "" where there is nothing to build.
        command: the command that starts it, with the field `folder`.
    """

    entry: str
    function: str
    absent: str
    implemented: Mapping[str, str]
    comment: str
    build: str
    command: str


_FUNCTIONS = {"content.upsampled": "content_upsampled", "z_p": "z_p"}
LANGUAGES = {
    "rust": Language(
        '("{name}", {function}),',
        "Some({function})",
        "None",
        _FUNCTIONS,
        "//",
        "cargo build --release",
        "{folder}/target/release/adapter",
    ),
    "cpp": Language('{{"{name}", {function}}},', "{function}", "nullptr", _FUNCTIONS, "//", "make", "{folder}/adapter"),
    "c": Language('{{"{name}", {function}}},', "{function}", "NULL", _FUNCTIONS, "//", "make", "{folder}/adapter"),
    "javascript": Language(
        '"{name}": {function},',
        "{function}",
        "null",
        {"content.upsampled": "contentUpsampled", "z_p": "priorSample"},
        "//",
        "",
        "node {folder}/adapter.mjs",
    ),
}


def write(language: str, folder: Path) -> list[Path]:
    """Write the skeleton of a language; the folder appears in one step.

    Args:
        language: a key of LANGUAGES.
        folder: a path where there is nothing yet, or an empty folder.
    Returns:
        the files, relative to the folder.
    Raises:
        UsageError: the folder holds something, or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is not an empty folder; name one that does not exist yet")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise UsageError(
            f"cannot write to {folder.parent} ({error.strerror}); name a folder that can be made"
        ) from None
    try:
        written = list(_copy(files("parity.adapters").joinpath("templates", language), fresh, LANGUAGES[language]))
        fresh.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return sorted(path.relative_to(fresh) for path in written)


def _copy(source: Traversable, target: Path, language: Language) -> Iterator[Path]:
    for item in source.iterdir():
        path = target / (".gitignore" if item.name == "gitignore" else item.name)
        if item.is_dir():
            path.mkdir()
            yield from _copy(item, path, language)
        else:
            lines = item.read_text(encoding="utf-8").split("\n")
            at = next((number for number, line in enumerate(lines) if line.strip() == MARKER), None)
            if at is not None:
                indent = lines[at].removesuffix(MARKER)
                lines[at : at + 1] = [(indent + line).rstrip() for line in table(language)]
            path.write_text("\n".join(lines), encoding="utf-8", newline="\n")
            yield path


def table(language: Language) -> Iterator[str]:
    """The lines of the table of stages, without their indent."""
    scope = None
    for stage in stages.every():
        if stage.scope is not scope:
            scope = stage.scope
            yield f"{language.comment} ---- {_PLACES[scope]} ----"
        text = f"{stage.what}. {_reads(stage)}Makes {', '.join(map(_described, stage.makes))}."
        yield from textwrap.wrap(
            text[0].upper() + text[1:],
            _WIDTH,
            initial_indent=f"{language.comment} ",
            subsequent_indent=f"{language.comment} ",
        )
        function = language.implemented.get(stage.name)
        made = language.absent if function is None else language.function.format(function=function)
        yield language.entry.format(name=stage.name, function=made)


def _reads(stage: Stage) -> str:
    """The inputs: "Reads enc_p.m, noise.z. ", with "or" between alternatives."""
    names = []
    for read in stage.reads:
        if isinstance(read, Earlier):
            names.append(f"{read.local} of {'all earlier blocks' if read.all_blocks else 'the block before'}")
        else:
            only = " (voices with F0)" if stages.lacks_without_f0(stage, read) else ""
            names.append(f"{read}{only}" if isinstance(read, str) else " or else ".join(read))
    return f"Reads {', '.join(names)}. " if names else ""


def _described(tensor: stages.Tensor) -> str:
    """ "z_p float32 (batch, channel, frame10)", with the unit where there is one."""
    unit = "" if tensor.unit == "1" else f" in {tensor.unit}"
    optional = ", optional" if tensor.optional else ""
    return f"{tensor.name} {' or '.join(tensor.dtypes)} ({', '.join(tensor.axes)}){unit}{optional}"
