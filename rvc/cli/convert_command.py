"""Run `rvc convert` for one recording, several, or a folder of them."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rvc.cli import batch_tasks, options
from rvc.cli.progress import ConversionProgress
from rvc.errors import BadInput, printable
from rvc.pipeline import executors
from rvc.weights.recognizers import Role, refuse_known_folder

if TYPE_CHECKING:
    from rvc.config import Config
    from rvc.pipeline.conversion_networks import ConversionNetworks
    from rvc.pipeline.finished_files import FinishedFiles

log = logging.getLogger("rvc")


@dataclass(frozen=True)
class Job:
    """One file to convert and the file to write."""

    source: Path
    target: Path


@dataclass(frozen=True)
class Plan:
    """The files of one command; a batch goes on after a file that fails."""

    jobs: list[Job]
    batch: bool


def run(args: argparse.Namespace) -> int:
    """Check all options and files, then convert.

    Returns:
        0, or 1 when some files of a batch could not be converted.
    Raises:
        RvcError: an option or a file cannot be used.
    """
    options.merge_config(args)
    options.start(args)
    executor = executors.named(args.executor) if args.executor is not None else None
    plan = make_plan(args)
    from rvc.pipeline.file_conversion import convert_file  # imports torch; checking options does not need it

    config = options.conversion(args)
    noise = options.noise_source(args)
    networks = options.conversion_networks(args, keep=plan.batch)
    networks.check(config)
    for sentence in [*config.extensions(), *networks.warnings(), *networks.f0_file_notes(config)]:
        print(f"note: {printable(sentence)}", file=sys.stderr)
    finished = finished_files(args, networks, config) if plan.batch else None
    failures, before = 0, 0
    results: list[dict[str, Any]] = [{} for _ in plan.jobs]
    keys: dict[int, str] = {}

    def fail(place: int, message: str) -> None:
        nonlocal failures
        failures += 1
        results[place] = {"input": str(plan.jobs[place].source), "error": message}
        progress.print_error(f"rvc: {plan.jobs[place].source.name}: {message}")

    with ConversionProgress(len(plan.jobs), plan.batch) as progress:
        for place, job in enumerate(plan.jobs):
            try:
                key = finished.key(job.source) if finished is not None and job.source.is_file() else ""
                if finished is not None and finished.is_finished(key, job.target):
                    before += 1
                    results[place] = {"input": str(job.source), "output": str(job.target), "finished_before": True}
                    progress.file_done()
                    continue
                if executor is not None:
                    keys[place] = key
                    continue
                result = convert_file(
                    job.source,
                    job.target,
                    networks,
                    config,
                    noise,
                    trace=args.trace,
                    samples=args.format or "int16",
                    progress=progress.segments(job.source),
                )
                results[place] = asdict(result)
                if finished is not None:
                    finished.add(key, job.target)
                if not args.json and not plan.batch:
                    print(result.sentence())
            except Exception as error:
                if not plan.batch:
                    raise
                log.debug("%s", job.source, exc_info=True)
                fail(place, executors.error_sentence(error))
            progress.file_done()
        if executor is not None and finished is not None and keys:
            places, settings = list(keys), batch_tasks.Settings.of(args)
            tasks = [batch_tasks.Task(settings, plan.jobs[place].source, plan.jobs[place].target) for place in places]
            for outcome in executor.results(batch_tasks.convert_task, tasks):
                place = places[outcome.index]
                if outcome.error is None:
                    results[place] = outcome.value
                    finished.add(keys[place], plan.jobs[place].target)
                else:
                    fail(place, outcome.error)
                progress.file_done()
    if args.json:
        print(json.dumps({"files": results, "failed": failures} if plan.batch else results[0], indent=2))
    elif plan.batch:
        earlier = f" ({before} of them by an earlier run)" if before else ""
        print(f"{len(plan.jobs) - failures} of {len(plan.jobs)} files converted into {args.out}{earlier}")
    return 1 if failures else 0


def finished_files(args: argparse.Namespace, networks: ConversionNetworks, config: Config) -> FinishedFiles:
    """The record of the files that an earlier run of the same batch has finished."""
    from rvc.pipeline.file_conversion import options as conversion_options  # imports torch
    from rvc.pipeline.finished_files import FinishedFiles  # imports torch

    described = {
        **conversion_options(config),
        "profile": config.profile.name,
        **{name: vars(args).get(name) for name in ("seed", "device", "precision", "format")},
    }
    return FinishedFiles(args.out, described, [*networks.files(), *([config.f0_file] if config.f0_file else [])])


def make_plan(args: argparse.Namespace) -> Plan:
    """Pair every input with its output, and create the output folder of a batch.

    Raises:
        BadInput: an output cannot be written, or --trace or --noise (a file of recorded random draws) was given for
            several files.
    """
    from rvc.audio.output import FORMATS, check_target  # imports NumPy; `rvc --help` does not need it

    batch = len(args.inputs) > 1 or args.inputs[0].is_dir()
    if not batch:
        if args.executor is not None:
            raise BadInput(f"--executor is for several files, but {args.inputs[0]} is one; leave it out")
        check_target(args.out)
        refuse_overwriting(args.inputs, [args.out, args.trace])
        if args.trace is not None:
            check_target(args.trace, "TRACE", None)
            if args.trace.resolve() == args.out.resolve():
                raise BadInput(f"OUT and TRACE are both {args.out}; give them two names")
        return Plan([Job(args.inputs[0], args.out)], batch=False)
    if args.trace is not None or args.noise is not None:
        raise BadInput("a trace or a tape belongs to one conversion; convert one file with it, or leave it out")
    sources = [source for path in args.inputs for source in (recordings_in(path) if path.is_dir() else [path])]
    if (args.out.exists() and not args.out.is_dir()) or args.out.suffix.lower() in FORMATS:
        raise BadInput(f"OUT {args.out} is a file, but several files are to be converted; give a folder")
    if not args.out.is_dir() and not args.out.parent.is_dir():
        raise BadInput(f"OUT's folder {args.out.parent} does not exist; make it first")
    jobs = [Job(source, target) for source, target in zip(sources, names_for(sources, args.out), strict=True)]
    refuse_overwriting(sources, [job.target for job in jobs])
    args.out.mkdir(exist_ok=True)
    return Plan(jobs, batch=True)


def recordings_in(folder: Path) -> list[Path]:
    """The sound files in a folder, by their extension, without hidden files.  Raises BadInput when there is none."""
    import soundfile  # loads libsndfile, which only commands that read sound need

    known = {f".{name.lower()}" for name in soundfile.available_formats()}
    known |= {".m4a", ".aac", ".opus", ".oga", ".mp4", ".webm", ".wma", ".aif", ".mka"}  # read by PyAV or libsndfile
    recordings = sorted(path for path in visible(folder) if path.is_file() and path.suffix.lower() in known)
    if not recordings:
        refuse_known_folder(folder, Role.SOUND)
        raise BadInput(f"the folder {folder} holds no sound files; give a folder of .wav, .flac or other recordings")
    return recordings


def visible(folder: Path) -> list[Path]:
    """What a folder contains, without hidden files, such as the "._NAME" that macOS writes beside a file."""
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


def names_for(sources: list[Path], folder: Path) -> list[Path]:
    """The output of each input of a batch: STEM.wav as in the WebUI, or NAME.EXTENSION.wav where two stems are equal.

    Raises:
        BadInput: two inputs of different folders have the same name.
    """
    stems = [source.stem for source in sources]
    targets = [folder / f"{source.stem if stems.count(source.stem) == 1 else source.name}.wav" for source in sources]
    if len(set(targets)) < len(targets):
        twice = next(target for target in targets if targets.count(target) > 1)
        raise BadInput(f"two inputs would both be written to {twice}; convert their folders one after the other")
    return targets


def refuse_overwriting(sources: list[Path], targets: list[Path | None]) -> None:
    """Raise BadInput when a target is also one of the inputs."""
    inputs = {source.resolve() for source in sources}
    for target in targets:
        if target is not None and target.resolve() in inputs:
            raise BadInput(f"{target} is an input too, and would be overwritten; give another name or folder")
