"""`python -m field [NAME …]`: judge public implementations and write what the judge finds as field.json.

    python -m field                                    every program of this folder
    python -m field rvc-python rvc-next                these
    python -m field webui-2026 --checkout webui-2026=../webui      a program that lives in a repository
    python -m field --faults                           run the reproductions of faults.toml

pip installs each program into its own environment, from the registry, on the machine of whoever runs this. A program
that is not installed, or does not answer, is reported as such, and the others go on. Exit codes: 0 the results were
written, or every reproduction that could be run printed what faults.toml states; 1 the control differs, so that no
result is to be trusted, or a reproduction printed something else; 2 usage.
"""

import argparse
import datetime
import json
import platform
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from field import document, judging, reproductions
from field.environments import NotInstalled, checkout_commit, expose_hooks, python_of
from field.programs import FOLDER, Golden, Program, goldens, programs
from parity.errors import ParityError, UsageError
from parity.goldens import golden_set, store
from parity.output.verdict_json import Json
from parity.runs import manifest

COMMITTED = FOLDER / "field.json"
OUT = Path("out") / "field"
CONTROL = "webui-2026"  # the goldens of the profile of this name were recorded from it
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
    parser.add_argument(
        "--faults", action="store_true", help="judge nothing: run the reproductions of faults.toml, and compare"
    )
    parser.add_argument("--write", action="store_true", help="also replace the entries in the committed field.json")
    return parser


def _judge_all(options: argparse.Namespace) -> int:
    known = programs()
    if unknown := [name for name in options.names if name not in known]:
        raise UsageError(f"there is no program {unknown[0]!r}; the programs are {', '.join(known)}")
    chosen = [known[name] for name in options.names or known]
    _check_goldens(options, chosen)
    checkouts = _checkouts(options.checkout, known)
    expose_hooks(options.out / "hooks")
    if options.faults:
        return _reproduce(options.names, checkouts)
    digest = manifest.compare(store.cases(golden_set.default_folder()), None, None).document()["sha256"]
    code = 0
    for number, program in enumerate(chosen, 1):
        if not options.collect:
            print(f"{program.name}, {number} of {len(chosen)} programs", file=sys.stderr, flush=True)
        make = _collected if options.collect else _results
        results = list(make(program, checkouts.get(program.name), options))
        if options.collect and not results:
            continue
        date = datetime.datetime.now(datetime.UTC).date().isoformat()
        entry = {program.name: document.implementation(program, digest, date, _machine(), results)}
        for path in [options.out / "field.json", *([COMMITTED] if options.write else [])]:
            _update(path, digest, entry)
        print("\n".join(_lines(program, results)), flush=True)
        if program.name == CONTROL and any(each["verdict"] == "differs" for each in results):
            print(
                f"field: the control {CONTROL} differs from its own goldens, so no result here is to be trusted; "
                "every cell should hold; check the checkout, and run `python -m parity run`",
                file=sys.stderr,
            )
            code = 1
    return code


def _check_goldens(options: argparse.Namespace, chosen: Sequence[Program]) -> None:
    """Refuse a profile or golden that nothing would be judged by, and a part of a result in the committed file.

    Raises:
        UsageError: there is none of that name, or --write stands beside --profile or --golden.
    """
    profiles = sorted({profile for program in chosen for profile in program.profiles})
    if options.profile is not None and options.profile not in profiles:
        raise UsageError(f"no chosen program has the profile {options.profile!r}; they have {', '.join(profiles)}")
    names = [golden.name for golden in goldens() if golden.profile in (options.profile or golden.profile)]
    if unknown := [name for name in options.golden if name not in names]:
        raise UsageError(f"cases.toml has no golden {unknown[0]!r}; it has {', '.join(names)}")
    if options.write and (options.profile is not None or options.golden):
        raise UsageError("--write replaces whole entries of field.json; leave out --profile and --golden")


def _reproduce(names: Sequence[str], checkouts: Mapping[str, Path]) -> int:
    """Run the reproductions; 1 where one printed something else than faults.toml states."""
    code = 0
    for outcome in reproductions.outcomes(names, checkouts):
        word = {True: "holds", False: "DIFFERS", None: "not run"}[outcome.holds]
        print(f"{outcome.fault.program}: {outcome.fault.title}: {word}", flush=True)
        if outcome.holds is None:
            print(f"    {outcome.printed}")
        elif not outcome.holds:
            code = 1
            print(f"field: it printed {outcome.printed!r}; expected {outcome.fault.prints!r}", file=sys.stderr)
    return code


def _checkouts(pairs: Sequence[str], known: Mapping[str, Program]) -> dict[str, Path]:
    """Name → folder.

    Raises:
        UsageError: a pair is not NAME=DIR, names no program or no folder, or the folder is at another commit.
    """
    folders: dict[str, Path] = {}
    for pair in pairs:
        name, separator, folder = pair.partition("=")
        if not separator or name not in known or not Path(folder).is_dir():
            raise UsageError(f"--checkout {pair} names no program and folder; expected NAME=DIR, such as webui-2026=..")
        folders[name] = Path(folder).resolve()
        commit, pinned = checkout_commit(folders[name]), (known[name].repository or "").partition("@")[2]
        if commit is None:
            print(
                f"field: {folder} is no git checkout, so its commit is not checked; {pinned} is expected",
                file=sys.stderr,
            )
        elif not commit.startswith(pinned):
            raise UsageError(
                f"{folder} is at commit {commit[:7]}; {name} is judged at {pinned[:7]}: check that commit out"
            )
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
