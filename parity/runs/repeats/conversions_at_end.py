"""At the end of a run: whole conversions without their stages, with another speaker and other noise, and again."""

from collections.abc import Callable

from parity.candidates.candidate import NotOffered, Tensors
from parity.errors import GoldenError, ParityError
from parity.goldens.store import Case
from parity.judge.states import Mode
from parity.runs.other_inputs import is_same
from parity.runs.repeat_findings import OTHER_SPEAKER, RepeatState, near, with_other_voice
from parity.runs.repeats.program_calls import JudgedCase, RepeatedCalls

FINAL = "waveform.final"


def repeat_conversion(calls: RepeatedCalls, first: JudgedCase) -> None:
    """The whole conversion without its stages, with another speaker and other noise, and again."""
    case, final = first.case, first.chained.get(FINAL)
    if not calls.program.chains or final is None:
        return
    made = _convert(calls, calls.program.run_final, case)
    if made is None or not is_same(case, FINAL, first.chained, made, Mode.CHAINED):
        calls.report(
            RepeatState.UNTRACED,
            case,
            "run",
            f"the whole conversion of {case.name} {'fails' if made is None else 'gives another waveform'} where "
            "nothing but the waveform is requested; which code runs only while stages are recorded?",
        )
    _convert_other(calls, first)
    again = _convert(calls, calls.program.run, case)
    if again is None or not is_same(case, FINAL, first.chained, again, Mode.CHAINED):
        right_now = not first.right and calls.holds(case, [FINAL], Mode.CHAINED, again)
        calls.report(
            RepeatState.SECOND_RIGHT if right_now else RepeatState.DEPENDS,
            case,
            "run",
            f"the whole conversion of {case.name} {'fails' if again is None else 'gives another waveform'} at the "
            "end of the run than at its beginning; what is kept between calls, or drawn inside?",
        )


def _convert(calls: RepeatedCalls, call: Callable[[Case], Tensors], case: Case) -> Tensors | None:
    """One repeated conversion; None where it fails or gives no final waveform."""
    calls.count += 1
    try:
        made = call(case)
    except (GoldenError, NotOffered):
        raise
    except ParityError:
        return None
    return made if FINAL in made else None


def _convert_other(calls: RepeatedCalls, first: JudgedCase) -> None:
    """The conversion of a file with another speaker and other noise, which change nothing before the latents."""
    case = first.case
    if not first.is_file:
        return
    other = with_other_voice(case)
    made = _convert(calls, calls.program.run, other)
    if made is not None and is_same(case, FINAL, first.chained, made, Mode.CHAINED):
        calls.report(
            RepeatState.STORED,
            case,
            "run",
            f"the whole conversion gives the waveform of {case.name} for another speaker and other noise too; is "
            "it stored under the name of the case?",
        )
        return
    if calls.reference is None or not first.right:
        return
    try:
        program = calls.reference()
        if not calls.holds(case, [FINAL], Mode.CHAINED, program.run(case)):
            calls.notes.append(f"rvc misses the conversion of {case.name} here; no other speaker was compared")
            return
        expected = program.run(other)
    except ParityError as error:
        calls.notes.append(f"no other speaker was compared: {error}")
        return
    except ImportError:
        calls.do_without_reference()
        return
    if made is not None and near(case, FINAL, expected[FINAL], made[FINAL], calls.limits, Mode.CHAINED):
        return
    alone = _convert(calls, calls.program.run, other) if calls.restart() else None
    kept = alone is not None and near(case, FINAL, expected[FINAL], alone[FINAL], calls.limits, Mode.CHAINED)
    calls.report(
        RepeatState.DEPENDS if kept else RepeatState.OTHER_INPUTS,
        case,
        "run",
        f"the whole conversion of {case.name} with speaker {OTHER_SPEAKER} and other noise differs from rvc's"
        + (", and is right in a program that was just started; what is kept from the first call?" if kept else ""),
    )
