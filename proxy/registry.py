"""Finds the stages that are installed: Penstock's own and those of other packages.

A package offers stages by an entry point of the group `penstock.stages` that names a Stage class or a tuple of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

from .errors import ConfigError, Problem
from .stage import Stage

GROUP = "penstock.stages"


def installed_stages(points: Iterable[EntryPoint] | None = None) -> dict[str, type[Stage]]:
    """Returns all stages by name, sorted; `points` are by default those of the installed packages.

    Raises ConfigError when a package cannot be loaded, offers something else, or takes a name that is taken.
    """
    found: dict[str, type[Stage]] = {}
    origin: dict[str, EntryPoint] = {}
    problems: list[Problem] = []
    for point in sorted(entry_points(group=GROUP) if points is None else points):
        try:
            stages = _stages(point)
        except (ImportError, AttributeError, TypeError) as error:
            problems.append(_problem(point, f"cannot be loaded: {error}", "mend or uninstall the package"))
            continue
        for stage in stages:
            first = found.setdefault(stage.name, stage)
            other = origin.setdefault(stage.name, point)
            if first is not stage:
                what = f'offers a stage "{stage.name}", which {other.value} has already'
                problems.append(_problem(point, what, "uninstall one of the two packages"))
    if problems:
        raise ConfigError(problems)
    return dict(sorted(found.items()))


def _stages(point: EntryPoint) -> tuple[type[Stage], ...]:
    offered = point.load()
    stages = offered if isinstance(offered, tuple) else (offered,)
    for stage in stages:
        if not (isinstance(stage, type) and issubclass(stage, Stage) and hasattr(stage, "name")):
            raise TypeError(f"{stage!r} is no stage with a name")
    return stages


def _problem(point: EntryPoint, what: str, fix: str) -> Problem:
    """Returns the problem of an entry point: the file is that of its package, which has no lines worth naming."""
    package = point.dist.name if point.dist is not None else "entry_points.txt"
    return Problem(package, 1, 1, f"{point.name} = {point.value} {what}", fix)
