"""Checks the order of the pipeline by the rules that the stages declare.

The graph is a line, so the rules are few: `after`, `requires`, `side`, `once`, and `advice` for what is legal but
surprising. All wrong edges are reported at once. No stage is known by name here but `stream-translate`, which divides
the pipeline into the client's side above it and the upstream's side below.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from ..stage import Stage
from .problems import Place, Problems

DIVIDER = "stream-translate"


class Placed(msgspec.Struct, frozen=True):
    """A stage of the pipeline and where it stands. `name` is the one in the file."""

    name: str
    stage: type[Stage]
    place: Place


def check_order(pipeline: Sequence[Placed], problems: Problems, *, complete: bool) -> None:
    """Reports every rule that the order breaks, each at the stage that declares the rule.

    Unless the list is `complete`, a stage that seems to be missing may only be misspelt, and is not reported.
    """
    for index, placed in enumerate(pipeline):
        above, below = pipeline[:index], pipeline[index + 1 :]
        _once(placed, above, problems)
        _after(placed, above, below, problems)
        if complete:
            _requires(placed, pipeline, problems)
        _side(placed, above, below, problems)
        _advice(placed, above, problems)


def who_sets(what: str, known: Mapping[str, type[Stage]]) -> str:
    """Returns the names of the known stages that set something, as they read in a fix."""
    names = [f'"{name}"' for name, stage in sorted(known.items()) if what in stage.sets]
    return " or ".join(names) or "a stage that does"


def _find(name: str, placed: Iterable[Placed]) -> Placed | None:
    return next((other for other in placed if other.stage.name == name), None)


def _once(placed: Placed, above: Sequence[Placed], problems: Problems) -> None:
    first = _find(placed.stage.name, above)
    if placed.stage.once and first is not None:
        problems.error(
            placed.place, f'"{placed.name}" stands twice (first on line {first.place.line})', "keep one of them"
        )


def _after(placed: Placed, above: Sequence[Placed], below: Sequence[Placed], problems: Problems) -> None:
    for name in placed.stage.after:
        other = _find(name, below)
        if other is not None and _find(name, above) is None:
            what = f'"{placed.name}" stands above "{other.name}" (line {other.place.line}) but needs what it sets'
            problems.error(placed.place, what, f'move "{placed.name}" below "{other.name}"')


def _requires(placed: Placed, pipeline: Sequence[Placed], problems: Problems) -> None:
    for name in placed.stage.requires:
        if _find(name, pipeline) is None:
            where = "above it" if name in placed.stage.after else "to the pipeline"
            problems.error(placed.place, f'"{placed.name}" cannot work without "{name}"', f'add "{name}" {where}')


def _side(placed: Placed, above: Sequence[Placed], below: Sequence[Placed], problems: Problems) -> None:
    wanted = placed.stage.side
    wrong, stands = (above, "below") if wanted == "above" else (below, "above")
    divider = _find(DIVIDER, wrong)
    if wanted == "any" or divider is None:
        return
    whose = "client" if wanted == "above" else "upstream"
    what = (
        f'"{placed.name}" stands {stands} "{divider.name}" (line {divider.place.line}) but works on the {whose}\'s side'
    )
    problems.error(placed.place, what, f'move "{placed.name}" {wanted} "{divider.name}"')


def _advice(placed: Placed, above: Sequence[Placed], problems: Problems) -> None:
    for name, consequence in placed.stage.advice.items():
        other = _find(name, above)
        if other is not None:
            what = f'"{placed.name}" stands below "{other.name}" (line {other.place.line}): {consequence}'
            problems.warning(placed.place, what, f'move "{placed.name}" above "{other.name}"')
