"""The command `live`: `rvc`, and a port, on the user's own voice and sound, beside an original."""

import argparse
import json
import shlex
from contextlib import ExitStack
from pathlib import Path

from parity.candidates.process import CALL_TIMEOUT
from parity.cli.command import Command, add_json, print_verdict
from parity.errors import UsageError
from parity.output import shared_result
from parity.runs import user_files
from parity.stages import profile_table

VOICE_ROLES = ("model", "hubert", "index", *profile_table.weight_files())


def _add_live_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sound", type=Path, nargs="?", metavar="IN", help="a recording; the original is run on it first"
    )
    parser.add_argument("--trace", type=Path, help="in place of IN: a trace, made by python -m reference.run_live")
    for role in VOICE_ROLES:
        parser.add_argument(f"--{role}", type=Path, required=role == "model", help=f"the {role} that it is run with")
    parser.add_argument(
        "--recording",
        default="",
        metavar="OPTIONS",
        help="options of python -m reference.run_live, quoted: '--original webui-2026 --checkout DIR --transpose 3'",
    )
    parser.add_argument("--candidate", metavar="COMMAND", help="judge this adapter as well, with the same files")
    parser.add_argument(
        "--timeout", type=float, default=CALL_TIMEOUT, metavar="SECONDS", help="how long one call of it may take"
    )
    parser.add_argument(
        "--share", type=Path, metavar="FILE", help="also write the numbers without anything of the voice, to send back"
    )
    add_json(parser)


def _live(options: argparse.Namespace) -> int:
    chosen = vars(options)
    files = {role: chosen[role] for role in VOICE_ROLES if chosen[role]}
    if options.sound is not None and options.trace is not None:
        raise UsageError("IN and --trace were both given; a trace holds its sound, so give one of them")
    with ExitStack() as stack:
        trace = options.trace
        if options.sound is not None:
            recorded = user_files.recorded(options.sound, files, shlex.split(options.recording))
            trace = stack.enter_context(recorded)
        verdicts = [user_files.judge(trace, files)]
        if options.candidate is not None:
            verdicts.append(user_files.judge_program(trace, files, options.candidate, options.timeout))
        if options.share is not None:
            case, _ = user_files.open_trace(trace, files)
            form = shared_result.document(case, verdicts)
            options.share.write_text(json.dumps(form, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    codes = [print_verdict(document, options.format, written=False) for document in verdicts]
    return codes[-1] if 1 not in codes else 1


LIVE = Command(
    "live",
    "judge rvc, and your program, on your own voice beside an original",
    """Run an original on a recording with your own voice and HuBERT, then rvc of this project, and with --candidate
your own program, and judge both against it, stage by stage. Nothing is stored; --share writes the numbers without
anything of the voice. IN needs a clone of the repository with an original (rvc-parity docs live); --trace takes a
recording of an original that ran elsewhere.

  rvc-parity live in.wav --model alto.pth --hubert hubert/
  rvc-parity live in.wav --model alto.pth --hubert hubert/ --candidate "./my-port --parity" --share result.json
  rvc-parity live --trace original.safetensors --model alto.pth --hubert hubert/""",
    _add_live_options,
    _live,
)
