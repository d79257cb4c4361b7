"""The verbs of the project. `nox -l` is the menu; arguments after `--` go to the program behind the verb."""

import shutil

import nox

nox.options.sessions = ["lint", "tests", "parity"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = True

GROUPS = nox.project.load_toml("pyproject.toml")
CONSTRAINTS = ("-c", "constraints.txt")


def install(session: nox.Session, *groups: str, extras: str = "all") -> None:
    """The project with its extras and the named dependency groups, at the versions the goldens were recorded with."""
    packages = nox.project.dependency_groups(GROUPS, *groups) if groups else ()
    session.install(*CONSTRAINTS, "-e", f".[{extras}]", *packages)


def originals(session: nox.Session) -> None:
    """The originals that the registry has and all they import; rvc-python's own wishes contradict each other."""
    session.install("-r", "reference/requirements.lock")
    session.install("--no-deps", "-r", "reference/originals.lock")


@nox.session
def parity(session: nox.Session) -> None:
    """Compare every stage with what the originals computed, and hold speed and memory to their budgets."""
    arguments = list(session.posargs)
    if "--live" in arguments:  # an original on the user's own files, ours beside it, nothing stored
        arguments.remove("--live")
        originals(session)
        install(session, "tests")
        session.run("python", "-m", "reference.live", *arguments)
        return
    install(session, "tests", "adapters")
    session.run("python", "-m", "parity", "run", *arguments)
    if not arguments:
        session.run("python", "-m", "parity.coverage")
        session.run("python", "-m", "parity.accuracy")
        session.run("python", "-m", "bench.budget")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the unit, property, parity and harness tests."""
    install(session, "tests", "adapters")
    session.run("python", "-m", "pytest", "--ignore=tests/browser", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """Drive the report's pages in headless Chromium: every control, no console error, no request."""
    if shutil.which("chromium") is None:
        session.error("no chromium on the PATH; install it (Debian: apt-get install chromium) and run this again")
    install(session, "tests", "browser")
    session.run("python", "-m", "pytest", "tests/browser", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style with ruff and types with mypy (strict over every room but tests)."""
    install(session, "tests", "lint")
    session.run("ruff", "check", ".")
    session.run("mypy")


@nox.session(default=False)
def record(session: nox.Session) -> None:
    """Record goldens again from the originals: a proposal first, put in place by --accept "reason"."""
    originals(session)
    session.run("python", "-m", "reference.record", *session.posargs)


@nox.session(default=False)
def report(session: nox.Session) -> None:
    """Turn the last verdict into pages to look at and listen to: out/report/index.html."""
    install(session)
    session.run("python", "-m", "reports", *(session.posargs or ("out/parity", "out/report")))


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure ours and the original in turn (--quick for a short look): time, memory, realtime, rivals, goals."""
    originals(session)
    install(session, "tests", "adapters", "rivals")
    if not session.posargs:
        session.run("python", "-m", "pytest", "bench", "--benchmark-enable", "--benchmark-warmup=on", "-q")
    session.run("python", "-m", "bench", *session.posargs)


@nox.session(default=False)
def mutants(session: nox.Session) -> None:
    """Plant real port bugs in our rvc one by one and print which check catches and blames each."""
    install(session, "tests")
    session.run("python", "-m", "parity.mutants", *session.posargs)


@nox.session(default=False)
def calibrate(session: nox.Session) -> None:
    """Leave each variant of the original out in turn and count how often the limits would refuse it."""
    install(session)
    session.run("python", "-m", "parity.calibrate", *session.posargs)
