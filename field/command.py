"""`python -m field [NAME …]`: judge public implementations and write what the judge finds as field.json.

    python -m field                                    every program of this folder
    python -m field rvc-python rvc-next                these
    python -m field webui-2026 --checkout webui-2026=../webui      a program that lives in a repository

pip installs each program into its own environment, from the registry, on the machine of whoever runs this. A program
that is not installed, or does not answer, is reported as such, and the others go on. Exit codes: 0 the results were
written, 2 usage.
"""

import argparse
import datetime
import json
import platform
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from field import document, judging
from field.environments import NotInstalled, expose_hooks, python_of
from field.programs import FOLDER, Golden, Program, goldens, programs
from parity.errors import ParityError, UsageError
from parity.goldens import golden_set, store
from parity.output.verdict_json import Json
from parity.runs import manifest

COMMITTED = FOLDER / "field.json"
OUT = Path("out") / "field"
MINUTES = 8.0  # for one program, once its environment is made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    try:
        return _judge_all(_parser().parse_args(arguments))
    except ParityError as error:
        print(f"field: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m field", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="programs (default: every one)")
    parser.add_argument(
        "--checkout",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="the checkout of a program that lives in a repository; without it the program is not installed",
    )
    parser.add_argument("--out", type=Path, default=OUT, metavar="FOLDER", help=f"where to write (default {OUT})")
    parser.add_argument("--profile", metavar="NAME", help="only this profile of each program")
    parser.add_argument(
        "--golden", action="append", default=[], metavar="NAME", help="only this golden of cases.toml; may be repeated"
    )
    parser.add_argument(
        "--minutes", type=float, default=MINUTES, metavar="N", help=f"per program (default {MINUTES:g})"
    )
    parser.add_argument(
        "--resume", action="store_true", help="continue what the time of an earlier run in --out did not reach"
    )
    parser.add_argument(
        "--collect", action="store_true", help="judge nothing: make the entries from the verdicts that --out holds"
    )
    parser.add_argument("--write", action="store_true", help="also replace the entries in the committed field.json")
    return parser


def _judge_all(options: argparse.Namespace) -> int:
    known = programs()
    if unknown := [name for name in options.names if name not in known]:
        raise UsageError(f"there is no program {unknown[0]!r}; the programs are {', '.join(known)}")
    checkouts = _checkouts(options.checkout, known)
    chosen = [known[name] for name in options.names or known]
    digest = manifest.compare(store.cases(golden_set.default_folder()), None, None).document()["sha256"]
    expose_hooks(options.out / "hooks")
    for program in chosen:
        make = _collected if options.collect else _results
        results = list(make(program, checkouts.get(program.name), options))
        if options.collect and not results:
            continue
        date = datetime.datetime.now(datetime.UTC).date().isoformat()
        entry = {program.name: document.implementation(program, date, _machine(), results)}
        for path in [options.out / "field.json", *([COMMITTED] if options.write else [])]:
            _update(path, digest, entry)
        print("\n".join(_lines(program, results)), flush=True)
    return 0


def _checkouts(pairs: Sequence[str], known: Mapping[str, Program]) -> dict[str, Path]:
    """Name → folder.

    Raises:
        UsageError: a pair is not NAME=DIR, names no program, or names no folder.
    """
    folders: dict[str, Path] = {}
    for pair in pairs:
        name, separator, folder = pair.partition("=")
        if not separator or name not in known or not Path(folder).is_dir():
            raise UsageError(f"--checkout {pair} names no program and folder; expected NAME=DIR, such as webui-2026=..")
        folders[name] = Path(folder).resolve()
    return folders


def _results(program: Program, checkout: Path | None, options: argparse.Namespace) -> list[Json]:
    """One result for each profile of a program."""
    chosen = [profile for profile in program.profiles if options.profile in (None, profile)]
    try:
        if program.repository and checkout is None:
            raise NotInstalled(f"no checkout; name one of {program.repository} with --checkout {program.name}=DIR")
        command = judging.command_of(python_of(program), program.adapter, checkout)
    except NotInstalled as error:
        return [document.not_installed(profile, str(error)) for profile in chosen]
    deadline = time.monotonic() + options.minutes * 60
    with judging.Limited(command, deadline) as running:
        problem = judging.examine(running)
        if problem is None:
            return list(_judged(program, running, chosen, deadline, options))
    if problem.starts:
        return [document.no_answer(profile, problem.sentence) for profile in chosen]
    return [document.not_installed(profile, f"its adapter does not start: {problem.sentence}") for profile in chosen]


def _judged(
    program: Program, running: judging.Limited, profiles: Sequence[str], deadline: float, options: argparse.Namespace
) -> Iterable[Json]:
    """One result for each profile of a program that has answered `hello`."""
    for number, profile in enumerate(profiles):
        listed: list[Golden] = [golden for golden in goldens() if golden.profile == profile]
        of_profile = [golden for golden in listed if golden.name in (options.golden or (golden.name,))]
        if not of_profile:
            continue
        now = time.monotonic()
        running.extend(now + (deadline - now) / (len(profiles) - number))  # what one profile leaves, the next may use
        out = options.out / program.name / profile
        verdict = judging.judge(running, profile, of_profile, out, f"python -m field {program.name}", options.resume)
        names = [golden.name for golden in listed]
        yield document.result(profile, verdict, program.expected.get(profile), names, out)


def _collected(program: Program, _checkout: Path | None, options: argparse.Namespace) -> Iterable[Json]:
    """One result for each profile of a program that an earlier run in --out judged."""
    for profile in program.profiles:
        path = options.out / program.name / profile / "verdict.json"
        if path.is_file():
            names = [golden.name for golden in goldens() if golden.profile == profile]
            verdict = json.loads(path.read_text(encoding="utf-8"))
            yield document.result(profile, verdict, program.expected.get(profile), names, path.parent)


def _update(path: Path, digest: str, entry: Mapping[str, Json]) -> None:
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document.merged(before, digest, entry), indent=1, ensure_ascii=False)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text + "\n", encoding="utf-8")
    fresh.replace(path)


def _machine() -> str:
    return f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"


def _lines(program: Program, results: Sequence[Json]) -> list[str]:
    """What is printed about a program: a line for each profile, and one for each origin."""
    lines = []
    for each in results:
        reason = f" ({each['reason']})" if each["reason"] else ""
        count = f"{len(each['cases'])} goldens, {each['seconds']:.0f} s"
        lines.append(f"{program.name} {program.version}  {each['profile']}: {each['verdict']}{reason}  {count}")
        for origin in each["origins"]:
            cause = f"{origin['cause'] or 'cause unknown'} {origin['divergence'] or ''}".rstrip()
            lines.append(f"    {origin['case']}: {origin['stage']}: {cause}")
    return lines
