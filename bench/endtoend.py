"""Runs whole proxies over sockets, in turn, and compares the CPU time they take."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import msgspec

from .load import Job, Report
from .processes import Process, cores
from .scenarios import Scenario
from .targets import BASELINE, UPSTREAM, Target, check_installed, known


class Measured(msgspec.Struct, frozen=True):
    """One run of one target: CPU time and instructions per unit, and what the load generator saw.

    `stream_kb` is how much more memory was resident at its peak than before, for each stream.
    """

    target: str
    round: int
    cost: float
    instructions: float | None
    cpu_s: float
    report: Report
    stream_kb: float | None = None


class Result(msgspec.Struct, frozen=True):
    """All runs of one scenario."""

    scenario: str
    unit: str
    runs: list[Measured]
    peak_kb: dict[str, int]

    def costs(self, target: str) -> list[float]:
        """Returns what a target cost, round by round."""
        return [run.cost for run in self.runs if run.target == target]

    def instructions(self, target: str) -> float | None:
        """Returns the instructions of one unit, the middle of all rounds; None where they were not counted."""
        counts = [run.instructions for run in self.runs if run.target == target and run.instructions is not None]
        return median(counts) if counts else None

    def ratios(self, target: str) -> list[float]:
        """Returns what a target cost in each round, as a ratio to the pass-through in the same round."""
        return [one / base for one, base in zip(self.costs(target), self.costs(BASELINE), strict=False) if base]

    def stream_kb(self, target: str) -> float | None:
        """Returns the memory of one open stream; None where it was not measured.

        It is that of the round that took most: what was freed once is there for the next.
        """
        found = [run.stream_kb for run in self.runs if run.target == target and run.stream_kb is not None]
        return max(found, default=None)

    def errors(self) -> list[str]:
        """Returns what was wrong with answers, at most a few of each run."""
        return [f"{run.target}: {text}" for run in self.runs for text in run.report.examples]


class Bench:
    """The processes around the runs: the upstream and the targets. To be used in `with`."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._stack = ExitStack()
        self._targets: Mapping[str, Target] = {}
        self._ports: dict[str, int] = {}
        self._processes: dict[str, Process] = {}
        self._proxy_cores, self._load_cores = cores()
        self._directory = Path()

    def __enter__(self) -> Bench:
        for name in self._names:
            check_installed(name)
        try:
            self._directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="penstock-bench-")))
            self._start(UPSTREAM, self._load_cores)
            self._targets = known(self._ports[UPSTREAM.name], self._directory)
            for name in self._names:
                if name not in self._ports:
                    self._start(self._targets[name], self._proxy_cores)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def pids(self) -> list[int]:
        """The ids of the processes that serve."""
        return [process.pid for process in self._processes.values()]

    def _start(self, target: Target, on: set[int]) -> None:
        process = self._stack.enter_context(target.start(self._directory, on))
        self._ports[target.name] = target.listening(process)
        self._processes[target.name] = process

    def measure(self, scenario: Scenario, rounds: int, *, warm: bool) -> Result:
        """Runs a scenario against all targets in turn, `rounds` times."""
        if warm:
            short = msgspec.structs.replace(
                scenario.job, connections=min(8, scenario.job.connections), each=min(scenario.job.each, 20), ramp_s=0
            )
            if short.interval_ms:
                short = msgspec.structs.replace(short, pieces=50)
            for name in self._names:
                self._load(name, short)
        runs = [self._run(scenario, name, turn) for turn in range(rounds) for name in self._names]
        peaks = {name: self._processes[name].peak_kb() for name in self._names}
        return Result(scenario.name, scenario.unit, runs, peaks)

    def _run(self, scenario: Scenario, name: str, turn: int) -> Measured:
        process = self._processes[name]
        resident = process.reset_peak() if scenario.memory else 0
        before, counted = process.cpu_s(), process.instructions()
        report = self._load(name, scenario.job)
        used, count = process.cpu_s() - before, process.instructions()
        instructions = None if count is None or counted is None else (count - counted) / scenario.units(report)
        cost = scenario.cost(used, report)
        print(f"  {scenario.name} {turn + 1}: {name:14} {cost:8.3f} {scenario.unit}", file=sys.stderr)
        grown = (process.peak_kb() - resident) / scenario.job.connections if scenario.memory else None
        return Measured(name, turn, cost, instructions, used, report, grown)

    def _load(self, name: str, job: Job) -> Report:
        target = self._targets[name]
        job = msgspec.structs.replace(
            job,
            port=self._ports[name],
            dialect=target.dialect,
            upstream_port=self._ports[UPSTREAM.name],
            headers={**job.headers, **target.headers},
            strict=job.strict and target.strict,
        )
        errors = self._directory / "load.err"
        with Process(["python", "-m", "bench.load"], errors=errors, cores=self._load_cores) as load:
            said = load.talk(msgspec.json.encode(job), job.limit_s + 30)
        return msgspec.json.decode(said, type=Report)


class Summary(msgspec.Struct, frozen=True):
    """One target over all rounds: the middle cost, the lowest and the highest; the ratios to the pass-through.

    `ratio` is the middle of the ratios taken round by round, `ratio_low` and `ratio_high` the outermost of them;
    `instructions_ratio` is of the middle counts. All are None without a pass-through, or where nothing was counted.
    """

    cost: float
    low: float
    high: float
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    instructions: float | None = None
    instructions_ratio: float | None = None


def summary(result: Result, name: str) -> Summary:
    """Returns what a target's runs come to."""
    costs, ratios = result.costs(name), result.ratios(name)
    counted, base = result.instructions(name), result.instructions(BASELINE)
    return Summary(
        median(costs),
        min(costs),
        max(costs),
        median(ratios) if ratios else None,
        min(ratios, default=None),
        max(ratios, default=None),
        counted,
        counted / base if counted is not None and base else None,
    )
