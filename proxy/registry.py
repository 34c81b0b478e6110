"""Finds the stages that are installed: Penstock's own and those of other packages.

A package offers stages by an entry point of the group `penstock.stages`. It names a Stage class, a tuple of them, or a
mapping of their names to where they are (`{"rate-limit": "stages.rate_limit:RateLimit"}`): such a stage is loaded when
a file first names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points

import msgspec

from .errors import ConfigError, Problem
from .stage import Stage

GROUP = "penstock.stages"


class _Offer(msgspec.Struct, frozen=True):
    """A stage that a package offers: where its class is, as `module:Class`, and the class where it was loaded."""

    point: EntryPoint
    place: str
    stage: type[Stage] | None = None

    def load(self, name: str) -> type[Stage]:
        """Returns the class; raises ConfigError when it cannot be loaded or is no stage of that name."""
        if self.stage is not None:
            return self.stage
        try:
            stage = _checked(EntryPoint(name, self.place, GROUP).load())
            if stage.name != name:
                raise TypeError(f'{self.place} is called "{stage.name}"')
        except (ImportError, AttributeError, TypeError) as error:
            what = f'offers a stage "{name}" that cannot be loaded: {error}'
            raise ConfigError([_problem(self.point, what, "mend or uninstall the package")]) from error
        return stage


class _Installed(Mapping[str, type[Stage]]):
    """All stages by name, sorted. One that has not been looked up before is loaded then."""

    def __init__(self, offers: Mapping[str, _Offer]) -> None:
        self._offers = offers

    def __getitem__(self, name: str) -> type[Stage]:
        return self._offers[name].load(name)

    def __contains__(self, name: object) -> bool:
        return name in self._offers

    def __iter__(self) -> Iterator[str]:
        return iter(self._offers)

    def __len__(self) -> int:
        return len(self._offers)


def installed_stages(points: Iterable[EntryPoint] | None = None) -> Mapping[str, type[Stage]]:
    """Returns all stages by name, sorted; `points` are by default those of the installed packages.

    Raises ConfigError when a package cannot be loaded, offers something else, or takes a name that is taken; so does
    the look-up of a stage that a package has offered without loading it.
    """
    found: dict[str, _Offer] = {}
    problems: list[Problem] = []
    for point in sorted(entry_points(group=GROUP) if points is None else points):
        try:
            offered = _offered(point)
        except (ImportError, AttributeError, TypeError) as error:
            problems.append(_problem(point, f"cannot be loaded: {error}", "mend or uninstall the package"))
            continue
        for name, offer in offered.items():
            first = found.setdefault(name, offer)
            if first.place != offer.place:
                what = f'offers a stage "{name}", which {first.point.value} has already'
                problems.append(_problem(point, what, "uninstall one of the two packages"))
    if problems:
        raise ConfigError(problems)
    return _Installed(dict(sorted(found.items())))


def _offered(point: EntryPoint) -> dict[str, _Offer]:
    """Returns the stages of an entry point by their names."""
    offered = point.load()
    if isinstance(offered, Mapping):
        for name, place in offered.items():
            if not (isinstance(name, str) and isinstance(place, str) and ":" in place):
                raise TypeError(f"{name!r}: {place!r} is no name with a module:Class")
        return {name: _Offer(point, place) for name, place in offered.items()}
    stages = map(_checked, offered if isinstance(offered, tuple) else (offered,))
    return {stage.name: _Offer(point, f"{stage.__module__}:{stage.__qualname__}", stage) for stage in stages}


def _checked(stage: object) -> type[Stage]:
    if not (isinstance(stage, type) and issubclass(stage, Stage) and hasattr(stage, "name")):
        raise TypeError(f"{stage!r} is no stage with a name")
    return stage


def _problem(point: EntryPoint, what: str, fix: str) -> Problem:
    """Returns the problem of an entry point: the file is that of its package, which has no lines worth naming."""
    package = point.dist.name if point.dist is not None else "entry_points.txt"
    return Problem(package, 1, 1, f"{point.name} = {point.value} {what}", fix)
