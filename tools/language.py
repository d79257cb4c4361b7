"""Check the words of code and documentation: plain technical English, American spelling.

python tools/language.py [--root DIR] [--files TEXT] [--counts]

Every tracked source and documentation file is searched: comments, strings, identifiers and the file name. A finding is
printed as FILE:LINE: WORD; what to write instead. The exit code is 1 if there is a finding, else 0. Files under
`goldens/` are data. A line with `# literal`, `// literal`, `/* literal` or `<!-- literal` is skipped: it quotes another
program, spells a frozen name, or uses a word in its literal sense (a person at loudspeakers).
"""

import argparse
import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
SUFFIXES = {".py", ".c", ".h", ".js", ".css", ".html", ".md", ".toml", ".cfg", ".yml", ".yaml", ".in", ".txt"}
SKIPPED_FOLDERS = ("goldens/",)
LITERAL = re.compile(r"(#|//|/\*|<!--) literal\b")

# Words for people, which code and values are not. Their forms are matched as words and as parts of an identifier.
PEOPLE = {
    "hear": "extract, record; for a result: features",  # literal
    "listen": "record, tap",  # literal
    "say": "state, print, encode",  # literal
    "speak": "synthesize, use",  # literal
    "tell": "report, print, distinguish",  # literal
    "wish": "option",  # literal
}
FORMS = {
    "hear": "hear hears heard hearing unheard",  # literal
    "listen": "listen listens listened listening",  # literal
    "say": "say says said saying unsaid",  # literal
    "speak": "speak speaks spoke spoken speaking",  # literal
    "tell": "tell tells told telling untold",  # literal
    "wish": "wish wishes wished wishing",  # literal
}
# Metaphors of earlier versions, which may not return in prose or in names: regular expression, what to write instead.
PHRASES = {
    r"limbs?": "terms of a bf16×3 split product",
    r"hurried": "low_latency",
    r"the house|the rooms?|rooms'?": "packages, modules",
}
# British spellings and the American ones that this project uses. "licence" and "colour" are fields of frozen files.
SPELLINGS = {
    r"(\w*)colour(\w*)": "color",
    r"(un)?favour(\w*)": "favor",
    r"(mis)?behaviour(\w*)": "behavior",
    r"neighbour(\w*)": "neighbor",
    r"centre[ds]?|centring": "center",
    r"(de|re|un)?normalis(e|ed|es|ing|ation)": "normalize",
    r"(un|re)?initialis(e|ed|es|ing|ation)": "initialize",
    r"(re)?quantis(e|ed|es|ing|ation)": "quantize",
    r"synthesis(e|ed|es|ing|er)": "synthesize",
    r"(un)?recognis(e|ed|es|ing|able)": "recognize",
    r"optimis(e|ed|es|ing|ation)": "optimize",
    r"summaris(e|ed|es|ing)": "summarize",
    r"memoris(e|ed|es|ing)": "memorize",
    r"memois(e|ed|es|ing|ation)": "memoize",
    r"serialis(e|ed|es|ing|ation)": "serialize",
    r"minimis(e|ed|es|ing)|maximis(e|ed|es|ing)": "minimize, maximize",
    r"judgement(\w*)": "judgment",
    r"catalogue[ds]?": "catalog",
    r"misspelt": "misspelled",
    r"grey(s|ed)?": "gray",
}
# Names in goldens, verdict.json and mutants.json, which stay as they are: causes, faults, an axis.
FROZEN = re.compile(
    "always normalised|not normalised|normalised input|normalised over frames|(hubert|final)-normalised"
    '|rmvpe-mel-unnormalised|(fewer|reversed) neighbours|"neighbour"|`neighbour`|cuts at the centres|cut-at-centre'
)


class Finding(NamedTuple):
    """A word that should be replaced, and by what."""

    file: str
    line: int
    word: str
    instead: str


def rules() -> list[tuple[re.Pattern[str], str]]:
    """Compiled patterns with their replacement; a word ends where letters end, so that snake_case matches."""
    bounded = [(r"(?:" + "|".join(FORMS[word].split()) + ")", instead) for word, instead in PEOPLE.items()]
    bounded += list(PHRASES.items()) + list(SPELLINGS.items())
    return [(re.compile(rf"(?<![A-Za-z])(?:{pattern})(?![a-z])", re.IGNORECASE), text) for pattern, text in bounded]


RULES = rules()


def plain(line: str) -> str:
    """The line without frozen names, with identifiers split into words: `isTapped` and `is_tapped` to `is tapped`."""
    return re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", FROZEN.sub("", line)).replace("_", " ")


def words_of(name: str, text: str) -> Iterator[Finding]:
    """Findings in the lines of a file and in its name."""
    everything = plain(f"{name}\n{text}")
    present = [rule for rule in RULES if rule[0].search(everything)]  # few rules match anywhere in a file
    if not present:
        return
    for number, line in enumerate([name, *text.splitlines()]):
        if LITERAL.search(line):
            continue
        words = plain(line)
        for pattern, instead in present:
            for match in pattern.finditer(words):
                yield Finding(name, number, match[0], instead)


def results_called_found(name: str, text: str) -> Iterator[Finding]:
    """Every place where a Python file binds the name `found`: it does not state what was found."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        bound = (
            (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == "found")
            or (isinstance(node, ast.arg) and node.arg == "found")
            or (isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == "found")
        )
        if bound and not LITERAL.search(lines[node.lineno - 1]):  # type: ignore[attr-defined]
            yield Finding(name, node.lineno, "found", "the name of the result")  # type: ignore[attr-defined]


def tracked_files(root: Path) -> list[str]:
    """Source and documentation files that git tracks or would add, except data."""
    command = ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [
        name
        for name in sorted(set(names))
        if Path(name).suffix in SUFFIXES and not name.startswith(SKIPPED_FOLDERS) and (root / name).is_file()
    ]


def check(root: Path = ROOT, part: str = "") -> list[Finding]:
    """All findings in the files whose name contains `part`; this file, which lists the words, is exempt."""
    findings: list[Finding] = []
    for name in tracked_files(root):
        if part not in name or name == "tools/language.py":
            continue
        text = (root / name).read_text(encoding="utf-8")
        findings += words_of(name, text)
        if name.endswith(".py"):
            findings += results_called_found(name, text)
    return findings


def main() -> int:
    """Exit code 0: nothing to replace; 1: findings, printed."""
    parser = argparse.ArgumentParser(prog="python tools/language.py", description="Check the words of the project.")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository's folder")
    parser.add_argument("--files", default="", metavar="TEXT", help="only files whose path contains TEXT")
    parser.add_argument("--counts", action="store_true", help="print the number of findings per word and file only")
    options = parser.parse_args()
    findings = check(options.root, options.files)
    if options.counts:
        for counter in (Counter(f.word.lower() for f in findings), Counter(f.file for f in findings)):
            print("\n".join(f"{count:6}  {key}" for key, count in counter.most_common(30)), end="\n\n")
    else:
        for finding in findings:
            print(f"{finding.file}:{finding.line}: {finding.word}; write instead: {finding.instead}")
    print(f"{len(findings)} words to replace", file=sys.stderr)
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main())
