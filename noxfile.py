"""The sessions of the project. `nox -l` lists them; arguments after `--` are passed to the program of the session."""

import shutil

import nox

nox.options.sessions = ["lint", "tests", "parity"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = True

GROUPS = nox.project.load_toml("pyproject.toml")
CONSTRAINTS = ("-c", "constraints.txt")
EXPORTED = "out/export"  # the verdicts of the session `export`, a folder for each program
NONE_DIFFERS = [0, 4]  # exit codes of a verdict; 4: nothing differs, and some cells are not tested


def install(session: nox.Session, *groups: str, extras: str = "all") -> None:
    """Install the project with its extras and dependency groups, at the versions that recorded the goldens."""
    packages = nox.project.dependency_groups(GROUPS, *groups) if groups else ()
    session.install(*CONSTRAINTS, "-e", f".[{extras}]", *packages)


def originals(session: nox.Session) -> None:
    """Install rvc-python and what the originals import; --no-deps, because their requirements contradict each other."""
    session.install("-r", "reference/requirements.lock")
    session.install("--no-deps", "-r", "reference/originals.lock")


@nox.session
def parity(session: nox.Session) -> None:
    """Compare every stage with the goldens, and check the budgets of time and peak memory."""
    arguments = list(session.posargs)
    if "--live" in arguments:  # compare `rvc` with an original on the user's own files; nothing is stored
        arguments.remove("--live")
        originals(session)
        install(session, "tests")
        session.run("python", "-m", "reference.live", *arguments)
        return
    install(session, "tests", "adapters")
    session.run("python", "-m", "parity", "run", *arguments)
    if not arguments:
        session.run("python", "-m", "parity", "coverage")
        session.run("python", "-m", "parity", "accuracy")
        session.run("python", "-m", "bench.budget", "--check", "time")  # `.ci/run` checks growth and leaks of memory


@nox.session
def tests(session: nox.Session) -> None:
    """Run the unit, property, parity and harness tests; all of them in two processes, a choice of them in one."""
    install(session, "tests", "adapters")
    arguments = session.posargs or ("-n", "2", "--dist", "loadfile")
    session.run("python", "-m", "pytest", "--ignore=tests/browser", *arguments)


@nox.session
def browser(session: nox.Session) -> None:
    """Test the report's pages in headless Chromium: every control, no console error, no network request."""
    if shutil.which("chromium") is None:
        session.error("no chromium on the PATH; install it (Debian: apt-get install chromium) and run this again")
    install(session, "tests", "browser")
    session.run("python", "-m", "pytest", "tests/browser", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style with ruff, types with mypy, the language and generated files; build the documentation."""
    install(session, "tests", "lint", "docs")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("python", "tools/language.py")
    session.run("python", "-m", "tools.divergences")
    session.run("python", "-m", "tools.field_page")
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-actions", "action.yml")
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", "examples/ci/parity.yml")
    session.run("mkdocs", "build", "--strict")


@nox.session(default=False)
def export(session: nox.Session) -> None:
    """Export the synthetic voices to ONNX; judge every program that runs them, and write the tables of the docs."""
    install(session, "tests", "adapters", "rivals")
    onnx = ("parity", "run", "--runtime", "onnx")
    session.run("python", "-m", *onnx, "--out", f"{EXPORTED}/rvc-graphs", *session.posargs, success_codes=NONE_DIFFERS)
    folders = str(session.run("python", "-m", "parity.rvc_bridge.rvc_onnx", silent=True)).strip()
    adapter = f"python -m rvc_onnx.adapter {folders}"
    programs = {
        "onnxruntime": adapter,
        "openvino": f"{adapter} openvino",
        "example": f"python docs/examples/exported_voice.py {folders}",
    }
    for name, program in programs.items():
        arguments = ("--candidate", program, "--out", f"{EXPORTED}/{name}", *session.posargs)
        session.run("python", "-m", "parity", "check", *arguments, success_codes=NONE_DIFFERS)
    half = ("--precision", "float16", "--out", f"{EXPORTED}/float16", *(session.posargs or ("--quick",)))
    session.run("python", "-m", *onnx, *half, success_codes=[1, *NONE_DIFFERS])  # beyond float32's limits
    if session.posargs:
        session.run("python", "tools/export_tables.py", EXPORTED)
        return
    session.run("python", "tools/exported_lengths.py", folders)
    session.run("python", "tools/export_tables.py", EXPORTED, "--write", "docs/exported-voice.md")


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """Build the documentation with its API reference: out/docs/index.html."""
    session.install(*CONSTRAINTS, *nox.project.dependency_groups(GROUPS, "docs"))
    session.run("mkdocs", "build", "--strict", *session.posargs)


@nox.session(default=False)
def dist(session: nox.Session) -> None:
    """Build sdists and wheels, check them, install them without the repository, and judge the adapter in C there."""
    session.install(*CONSTRAINTS, *nox.project.dependency_groups(GROUPS, "dist"))
    session.run("python", "tools/distributions.py", *session.posargs)


@nox.session(default=False)
def record(session: nox.Session) -> None:
    """Record goldens from the originals as proposals; --accept "reason" puts proposals in place."""
    originals(session)
    session.run("python", "-m", "reference.record", *session.posargs)


@nox.session(default=False)
def report(session: nox.Session) -> None:
    """Make pages of the last verdict: out/report/index.html."""
    install(session)
    session.run("python", "-m", "reports", *(session.posargs or ("out/parity", "out/report")))


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure `rvc` and the original in turn: time, memory, realtime, other runtimes, goals; --quick takes minutes."""
    originals(session)
    install(session, "tests", "adapters", "rivals")
    if not session.posargs:
        session.run("python", "-m", "pytest", "bench", "--benchmark-enable", "--benchmark-warmup=on", "-q")
    session.run("python", "-m", "bench", *session.posargs)


@nox.session(default=False)
def gpu(session: nox.Session) -> None:
    """Measure on a GPU machine without a network: --pack DIR --checkout WEBUI, --dry-run, --import RESULTS."""
    install(session)
    session.run("python", "-m", "bench.gpu", *session.posargs)


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Try damaged and hostile files on every reader: --minutes N --seed S; docs/reliability.md has the figures."""
    install(session, "tests", "fuzz")
    session.run("python", "-m", "reliability.fuzz", *session.posargs)


@nox.session(default=False)
def kills(session: nox.Session) -> None:
    """Kill commands at random moments; every output must be whole or absent: --kills N --seed S."""
    install(session, "tests")
    session.run("python", "-m", "reliability.kills", *session.posargs)


@nox.session(default=False)
def mutants(session: nox.Session) -> None:
    """Plant bugs of real ports in `rvc` one by one and print whether the judge detects, blames and explains each."""
    install(session, "tests")
    session.run("python", "-m", "parity", "mutants", *session.posargs)


@nox.session(default=False)
def field(session: nox.Session) -> None:
    """Judge public implementations, each in its own environment; -- NAME … for some, --checkout NAME=DIR for one."""
    # What the goldens of field/cases.toml need. Python compiles what is imported, which is less than pip would.
    session.install("--no-compile", *CONSTRAINTS, "-e", ".[pm,harvest]")
    session.run("python", "-m", "field", *session.posargs)
    if not any(argument.startswith(("--out", "--faults", "-h", "--help")) for argument in session.posargs):
        session.run("python", "-m", "reports", "out/field", "out/field/pages", "--quiet")


@nox.session(default=False)
def calibrate(session: nox.Session) -> None:
    """Leave each variant of the originals out in turn; compare the typed limits with exact arithmetic."""
    install(session)
    session.run("python", "-m", "parity", "calibrate", *session.posargs)
    session.run("python", "-m", "parity", "exact")
