"""The matrix of public implementations: implementations × stages, and what each does otherwise than the originals."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from parity import stages
from parity.judge.diagnosis import divergences
from parity.judge.states import Blame
from reports.data import states
from reports.data.field_results import Effect, Origin, Result
from reports.pages.index import JUST_OVER, HeatCell

JUDGED = ("pass", "differs", "partial")  # verdicts of programs that were run
VERDICT_MARKS = {"pass": states.Mark.GOOD, "differs": states.Mark.BAD}


@dataclass(frozen=True)
class FieldLine:
    """One program judged by one profile: a line of the matrix."""

    result: Result
    mark: states.Mark
    link: str | None
    cells: list[HeatCell]


@dataclass(frozen=True)
class Deviation:
    """One mistake of a program in one profile, in the words of the registry of divergences.

    Attributes:
        stage: where it is made.
        cause: the cause's name, or "cause unknown".
        number: the number of the divergence; None where the mistake is no divergence.
        title: the title of the divergence; "" where the mistake is no divergence.
        audible: what a person at loudspeakers notices; "" without a divergence.  # literal
        effect: its size in the tensors of the stage, and the distance of the waveform before and after the stage is
            repaired; "" where not measured.
        cases: the goldens that show it.
    """

    stage: str
    cause: str
    number: str | None
    title: str
    audible: str
    effect: str
    cases: list[str]


@dataclass(frozen=True)
class FieldPage:
    """Everything that the template needs."""

    stages: list[str]
    lines: list[FieldLine]
    deviations: list[tuple[Result, list[Deviation]]]
    expectations: dict[str, int]


def build(results: Sequence[Result], pages: Path | None = None) -> FieldPage:
    """Collect the content of the page.

    Args:
        results: the results in field.json.
        pages: the folder of the page, in which NAME/PROFILE/ holds the pages of a run; None: the cells have no links.
    """
    columns = columns_of(results)
    return FieldPage(
        stages=columns,
        lines=[_line(result, columns, pages) for result in results],
        deviations=[(result, list(deviations(result))) for result in results if result.origins],
        expectations=expectations(results),
    )


def columns_of(results: Iterable[Result]) -> list[str]:
    """The stages that at least one result has, in the order of the flow."""
    held = {stage for result in results for stage in result.stages}
    return [stage.name for stage in stages.every() if stage.name in held]


def expectations(results: Iterable[Result]) -> dict[str, int]:
    """How many of the judged results were expected: right, wrong, and without an expectation (unknown)."""
    judged = [result.expectation for result in results if result.verdict in JUDGED]
    return {word: judged.count(word) for word in ("right", "wrong", "unknown")}


def cell_text(result: Result, stage: str) -> str:
    """What a cell of the matrix reads: ✓, the tier, ✗ with a number or the first cause, ↑, ←, ≈ or ·."""
    state = result.stages.get(stage, Blame.NOT_TESTED.value)
    if state == "pass":
        return "✓"
    if state == Blame.ORIGIN:
        origin = next((each for each in result.origins if each.stage == stage), None)
        return f"✗ {origin.divergence}" if origin and origin.divergence else "✗"
    symbols = {Blame.AMPLIFIES: "↑", Blame.INHERITED: "←", Blame.KNIFE_EDGE: "≈"}
    return symbols.get(Blame(state), "·")


def deviations(result: Result) -> Iterator[Deviation]:
    """Each pair of stage and cause once, in the order of the flow."""
    groups: dict[tuple[str, str | None], list[Origin]] = {}
    for origin in result.origins:
        groups.setdefault((origin.stage, origin.cause), []).append(origin)
    for (stage, cause), origins in groups.items():
        number = origins[0].divergence
        known = divergences.entry(number) if number else None
        cases = [origin.case for origin in origins]
        yield Deviation(
            stage,
            cause or "cause unknown",
            number,
            known.title if known else "",
            known.audible if known else "",
            _size_text(result, stage, cases),
            cases,
        )


def _size_text(result: Result, stage: str, cases: Sequence[str]) -> str:
    """The size of a mistake in the first golden that has one, whole conversions first, and what its repair gains."""
    sized = [case for case in cases if (case, stage) in result.sizes]
    first = min(sized, key=lambda case: case not in result.sounds, default=None)
    parts = [f"{result.sizes[first, stage]} ({first})"] if first else []
    gained = effect_text(each for each in result.effects if each.stage == stage and each.case in cases)
    return "; ".join([*parts, *([gained] if gained else [])])


def effect_text(effects: Iterable[Effect]) -> str:
    """The largest gain of a repair: "waveform 12 dB from the golden, 31 dB with this stage repaired"; "" for none.

    A repair that gains less than 1 dB is not mentioned: another mistake covers this one.
    """
    measured = [each for each in effects if each.before_db is not None and _gain(each) >= 1]
    if not measured:
        return ""
    largest = max(measured, key=lambda each: _gain(each))
    after = "equal" if largest.after_db is None else f"{largest.after_db:.0f} dB"
    return f"waveform {largest.before_db:.0f} dB from the golden, {after} with this stage repaired"


def _gain(effect: Effect) -> float:
    return float("inf") if effect.after_db is None else effect.after_db - (effect.before_db or 0.0)


def _line(result: Result, columns: Sequence[str], pages: Path | None) -> FieldLine:
    folder = f"{result.name}/{result.profile}"
    link = f"{folder}/index.html" if pages is not None and (pages / folder / "index.html").is_file() else None
    mark = VERDICT_MARKS.get(result.verdict, states.Mark.QUIET)
    return FieldLine(result, mark, link, [_cell(result, stage, folder if link else None) for stage in columns])


def _cell(result: Result, stage: str, folder: str | None) -> HeatCell:
    state = result.stages.get(stage, Blame.NOT_TESTED.value)
    text = cell_text(result, stage)
    origin = next((each for each in result.origins if each.stage == stage), None)
    link = f"{folder}/{origin.case if origin else 'index'}.html" if folder else ""
    title = f"{stage}: {state.replace('_', ' ')}"
    if origin:
        title += f"; {origin.cause or 'cause unknown'}, {origin.case}"
    if state == "pass":
        return HeatCell("close", 0.0, text, title, link)
    if origin:
        return HeatCell("differs", JUST_OVER, text, title, link)
    return HeatCell(states.NO_CELL, None, text, title, link)
