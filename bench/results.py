"""What a run of the suite gives: every round of every target in a scenario, and what the rounds come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

import msgspec

from .load import Report, Spread
from .targets import BASELINE, DIRECT

BUSY = 0.8
"""A generator and an upstream that are busy for more of the time are late themselves: their latencies say little."""


class Measured(msgspec.Struct, frozen=True):
    """One run of one target: what it cost, and what the load generator saw.

    `cost` is CPU time, `instructions` (user space), `kernel` (instructions of the kernel for it) and `cycles` (both)
    are counts, each per unit of the scenario; None where they are not known. `stream_kb` is how much more memory was
    resident at its peak than before, for each of the most streams that were open, and `memory` has (streams open, kB
    resident) as they grew. `busy` is the share of their cores' time that the load generator and the upstream took.
    """

    target: str
    round: int
    cost: float | None
    instructions: float | None
    cpu_s: float | None
    report: Report
    stream_kb: float | None = None
    kernel: float | None = None
    cycles: float | None = None
    busy: float = 0
    memory: list[tuple[int, int]] = []

    @property
    def counted(self) -> float | None:
        """The instructions of user space and of the kernel together."""
        known = self.instructions is not None and self.kernel is not None
        return (self.instructions or 0) + (self.kernel or 0) if known else None


class Histograms(msgspec.Struct, frozen=True):
    """The times of one target over all rounds, as in Report."""

    late: str = ""
    first: str = ""


class Result(msgspec.Struct, frozen=True):
    """All runs of one scenario.

    `base_kb` is the memory of each target before the first request, `peak_kb` the most up to the end of the scenario.
    Ratios are to the target `base`, added times to `against`. `lighter` says for each target that cannot bear the load
    of the others what it was given. `words` says what the scenario shows, and its load.
    """

    scenario: str
    unit: str
    runs: list[Measured]
    peak_kb: dict[str, int]
    base_kb: dict[str, int] = {}
    base: str = BASELINE
    against: str = DIRECT
    number: str = ""
    words: str = ""
    lighter: dict[str, str] = {}
    histograms: dict[str, Histograms] = {}

    def targets(self) -> list[str]:
        """Returns the names of all targets, in the order of their runs."""
        return list(dict.fromkeys(run.target for run in self.runs))

    def of(self, target: str) -> list[Measured]:
        """Returns the runs of a target."""
        return [run for run in self.runs if run.target == target]

    def costs(self, target: str) -> list[float]:
        """Returns what a target cost, round by round; nothing where it is not known."""
        return [run.cost for run in self.of(target) if run.cost is not None]

    def ratios(self, target: str, figure: str = "cost") -> list[float]:
        """Returns a figure of each round of a target, as a ratio to that of the base in the same round."""
        return [one / base for one, base in self._pairs(target, self.base, lambda run: getattr(run, figure)) if base]

    def added(self, target: str, kind: str) -> tuple[float, float] | None:
        """Returns how much larger p50 and p99 of a kind of times (`late_ms`, `first_ms`) are than those of `against`.

        They are differences of percentiles of the same round, the middle of all rounds: not percentiles of differences,
        for no stream comes twice.
        """
        pairs: list[tuple[Spread, Spread]] = list(
            self._pairs(target, self.against, lambda run: getattr(run.report, kind))
        )
        if not pairs or target == self.against:
            return None
        return median(one.p50 - other.p50 for one, other in pairs), median(one.p99 - other.p99 for one, other in pairs)

    def times(self, target: str, kind: str) -> tuple[float, float] | None:
        """Returns p50 and p99 of a kind of times, the middle of all rounds."""
        found: list[Spread] = [one for run in self.of(target) if (one := getattr(run.report, kind)) is not None]
        return (median(one.p50 for one in found), median(one.p99 for one in found)) if found else None

    def more(self, target: str, other: str, figure: str) -> float | None:
        """Returns by how much a figure of a target is above another's in the same round, the middle of all rounds."""
        return _middle([one - beside for one, beside in self._pairs(target, other, lambda run: getattr(run, figure))])

    def _pairs(self, target: str, other: str, figure: Callable[[Measured], Any]) -> Sequence[tuple[Any, Any]]:
        """Returns a figure of two targets for each round in which both have it."""
        beside = {run.round: figure(run) for run in self.of(other)}
        return [
            (mine, beside[run.round])
            for run in self.of(target)
            if (mine := figure(run)) is not None and beside.get(run.round) is not None
        ]

    def stream_kb(self, target: str) -> float | None:
        """Returns the memory of one open stream; None where it was not measured.

        It is that of the round that took most: what was freed once is there for the next.
        """
        return max((run.stream_kb for run in self.of(target) if run.stream_kb is not None), default=None)

    def busy(self) -> float:
        """Returns the share of their cores' time that generator and upstream took, of the busiest target."""
        return max((_middle([run.busy for run in self.of(target)]) or 0 for target in self.targets()), default=0)

    def errors(self) -> list[str]:
        """Returns what was wrong with answers, at most a few of each run."""
        return [f"{run.target}: {text}" for run in self.runs for text in run.report.examples]


class Summary(msgspec.Struct, frozen=True):
    """One target over all rounds: the middle cost, the lowest and the highest; ratios to the scenario's base.

    `ratio` is the middle of the ratios taken round by round, `ratio_low` and `ratio_high` the outermost of them. The
    other ratios are taken in the same way: of `instructions` in user space, of all that were `counted`, the kernel's
    too, and of cycles. `late`, `first` are (p50, p99) in ms, `added_...` how much more than the scenario's `against`.
    All are None where they are not known.
    """

    cost: float | None = None
    low: float | None = None
    high: float | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    instructions: float | None = None
    instructions_ratio: float | None = None
    counted: float | None = None
    counted_ratio: float | None = None
    cycles: float | None = None
    cycles_ratio: float | None = None
    late: tuple[float, float] | None = None
    added_late: tuple[float, float] | None = None
    first: tuple[float, float] | None = None
    added_first: tuple[float, float] | None = None


def summary(result: Result, name: str) -> Summary:
    """Returns what a target's runs come to."""
    costs, ratios = result.costs(name), result.ratios(name)
    return Summary(
        cost=_middle(costs),
        low=min(costs, default=None),
        high=max(costs, default=None),
        ratio=_middle(ratios),
        ratio_low=min(ratios, default=None),
        ratio_high=max(ratios, default=None),
        instructions=_middle([run.instructions for run in result.of(name) if run.instructions is not None]),
        instructions_ratio=_middle(result.ratios(name, "instructions")),
        counted=_middle([run.counted for run in result.of(name) if run.counted is not None]),
        counted_ratio=_middle(result.ratios(name, "counted")),
        cycles=_middle([run.cycles for run in result.of(name) if run.cycles is not None]),
        cycles_ratio=_middle(result.ratios(name, "cycles")),
        late=result.times(name, "late_ms"),
        added_late=result.added(name, "late_ms"),
        first=result.times(name, "first_ms"),
        added_first=result.added(name, "first_ms"),
    )


def _middle(values: Sequence[float]) -> float | None:
    return median(values) if values else None


def results(found: Mapping[str, Any]) -> dict[str, Result]:
    """Returns the results among all that a run has given, by scenario; raises msgspec.ValidationError."""
    return {
        name: value if isinstance(value, Result) else msgspec.convert(value, Result)
        for name, value in found.items()
        if isinstance(value, Result) or (isinstance(value, dict) and "runs" in value)
    }
