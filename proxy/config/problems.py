"""Collects the mistakes of one file while it is read, so that all of them are reported at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..deferred import Deferred
from ..errors import ConfigError, Problem

_difflib = Deferred("difflib")  # for who has made a mistake


class Place(NamedTuple):
    """A position in the file; both count from 1."""

    line: int
    column: int


class Problems:
    """All mistakes found in one file so far.

    A mistake in an anchored value is kept once, however often the value is used: one fix at one place.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self._found: dict[tuple[Place, str], Problem] = {}
        self._unreadable: set[Place] = set()

    def error(self, place: Place, what: str, fix: str) -> None:
        """Notes something that makes the file unusable."""
        if place not in self._unreadable:
            self._found.setdefault((place, fix), Problem(self.file, *place, what, fix))

    def unreadable(self, place: Place, what: str, fix: str) -> None:
        """Notes a value that is no value at all: nothing else that is wrong with it is of interest."""
        self.error(place, what, fix)
        self._unreadable.add(place)

    def warning(self, place: Place, what: str, fix: str) -> None:
        """Notes something that is legal but surprising."""
        self._found.setdefault((place, fix), Problem(self.file, *place, what, fix, warning=True))

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What makes the file unusable, sorted by line."""
        return tuple(sorted(problem for problem in self._found.values() if not problem.warning))

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is surprising, sorted by line."""
        return tuple(sorted(problem for problem in self._found.values() if problem.warning))

    def stop(self) -> None:
        """Raises ConfigError when the file is unusable."""
        if self.errors:
            raise ConfigError(self.errors)


def closest(name: str, known: Iterable[str]) -> str | None:
    """Returns the known name that was most likely meant, if any is near."""
    by_folded = {option.lower().replace("_", "-"): option for option in known}
    near: list[str] = _difflib.get_close_matches(name.lower().replace("_", "-"), by_folded, n=1, cutoff=0.6)
    return by_folded[near[0]] if near else None


def instead(name: str, known: Iterable[str], otherwise: str = "one of") -> str:
    """Returns what to do about an unknown name: the near one, or all there are."""
    options = sorted(known)
    near = closest(name, options)
    if near is not None:
        return f'did you mean "{near}"?'
    return f"{otherwise}: {', '.join(options)}" if options else ""
