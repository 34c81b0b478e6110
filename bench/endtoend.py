"""Runs whole proxies over sockets, in turn, and measures what they take."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec
from hdrh.histogram import HdrHistogram

from .elsewhere import check_runs
from .load import Job, Report
from .memory import Growth, rising
from .processes import Process, StartFailed, Watched, cores
from .results import Histograms, Measured, Result
from .scenarios import Scenario
from .targets import UPSTREAM, Target, check_installed, known

_SLOW_ROUNDS = 2
_WARM_MS = 1000


class Bench:
    """The processes around the runs: the upstream and the targets. To be used in `with`.

    `names` are those of own targets, `elsewhere` those that run already; `listen` is where the upstream listens.
    """

    def __init__(
        self, names: Sequence[str], elsewhere: Sequence[Target] = (), listen: tuple[str, int] = ("127.0.0.1", 0)
    ) -> None:
        self._names, self._elsewhere, self._listen = names, elsewhere, listen
        self._stack = ExitStack()
        self._proxy_cores, self._load_cores = cores()
        self._processes: dict[str, Watched] = {}
        self._targets: dict[str, Target] = {}
        self._ports: dict[str, int] = {}
        self._base_kb: dict[str, int] = {}
        self._warmed: set[tuple[str, bool, bool, bool]] = set()
        self._directory = Path()
        self._began = time.monotonic()

    def __enter__(self) -> Bench:
        for name in self._names:
            check_installed(name)
        for target in self._elsewhere:
            check_runs(target)
        try:
            self._directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="penstock-bench-")))
            host, port = self._listen
            self._start(msgspec.structs.replace(UPSTREAM, command=(*UPSTREAM.command, host, str(port))))
            self._targets |= known(self._ports[UPSTREAM.name], self._directory)
            for name in self._names:
                if name != UPSTREAM.name:
                    self._start(self._targets[name])
            for target in self._elsewhere:
                self._watch(target)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def pids(self) -> list[int]:
        """The ids of the processes that serve and were started here."""
        return [process.pid for process in self._processes.values() if isinstance(process, Process)]

    def _start(self, target: Target) -> None:
        on = self._load_cores if target.name == UPSTREAM.name else self._proxy_cores
        process = self._stack.enter_context(target.start(self._directory, on))
        self._ports[target.name] = target.listening(process)
        self._processes[target.name] = process
        self._base_kb[target.name] = process.resident_kb()

    def _watch(self, target: Target) -> None:
        """Takes a target that runs already, after it has given one right answer."""
        self._targets[target.name], self._ports[target.name] = target, target.port
        watched = self._stack.enter_context(Watched(target.pid))
        self._processes[target.name] = watched
        trial = self._load(target, Job(port=0, dialect="chat", connections=1, pieces=5, limit_s=10))
        if trial.errors:
            raise StartFailed(
                f"{target.name} does not give the answer of the bench's upstream, which listens on port "
                f"{self._ports[UPSTREAM.name]} (see --upstream): {trial.examples[0]}"
            )
        self._base_kb[target.name] = watched.resident_kb()

    def measure(self, scenario: Scenario, names: Sequence[str], rounds: int, *, warm: bool) -> Result:
        """Runs a scenario against targets in turn, `rounds` times; slow ones have fewer turns."""
        targets = [self._targets[name] for name in names]
        for target in targets if warm else ():
            self._warm(target, scenario.job_of(target))
        runs = [
            self._run(scenario, target, turn)
            for turn in range(min(rounds, scenario.rounds))
            for target in targets
            if turn < _SLOW_ROUNDS or not target.slow
        ]
        lighter = {
            target.name: scenario.load(job) for target in targets if (job := scenario.job_of(target)) != scenario.job
        }
        return Result(
            scenario.name,
            scenario.unit,
            [msgspec.structs.replace(run, report=_without_histograms(run.report)) for run in runs],
            {name: self._processes[name].peak_kb() for name in names},
            {name: self._base_kb[name] for name in names},
            base=scenario.base,
            against=scenario.against,
            number=scenario.number,
            words=f"{scenario.shows}; {scenario.load()}",
            lighter=lighter,
            histograms={name: _histograms(run.report for run in runs if run.target == name) for name in names},
        )

    def _warm(self, target: Target, job: Job) -> None:
        """Has a target do a little of a job, if it has not done one of that kind before."""
        kind = (target.name, job.stream, job.tool, job.chain)
        if kind not in self._warmed:
            self._warmed.add(kind)
            self._load(target, _shortened(job))

    def _run(self, scenario: Scenario, target: Target, turn: int) -> Measured:
        process, upstream = self._processes[target.name], self._processes[UPSTREAM.name]
        job = scenario.job_of(target)
        resident = process.reset_peak() if scenario.memory else 0
        before, counted, upstream_before = process.cpu_s(), process.counts(), upstream.cpu_s()
        with ExitStack() as looking:
            growth = Growth(self._ports[UPSTREAM.name], process.resident_kb) if scenario.memory else None
            if growth is not None:
                looking.enter_context(growth)
            report = self._load(target, job)
        after, counts, upstream_after = process.cpu_s(), process.counts(), upstream.cpu_s()
        used = after - before if after is not None and before is not None else None
        units = scenario.units(report)
        instructions, kernel, cycles = counts.per(counted, units)
        cost = scenario.cost(used, report) if used is not None else None
        around = report.cpu_s + (upstream_after or 0) - (upstream_before or 0)
        memory = rising(growth.points) if growth is not None and used is not None else []
        grown = (process.peak_kb() - resident) / memory[-1][0] if memory else None
        told = f"{cost:8.3f} {scenario.unit}" if cost is not None else "done"
        print(
            f"{time.monotonic() - self._began:5.0f} s  {scenario.name} {turn + 1}: {target.name:18} {told}",
            file=sys.stderr,
        )
        return Measured(
            target.name,
            turn,
            cost,
            instructions,
            used,
            report,
            grown,
            kernel=kernel,
            cycles=cycles,
            busy=around / max(report.wall_s, 0.001) / len(self._load_cores),
            memory=memory,
        )

    def _load(self, target: Target, job: Job) -> Report:
        job = msgspec.structs.replace(
            job,
            port=self._ports[target.name],
            host=target.host,
            tls=target.tls,
            base=target.base,
            model=target.model,
            dialect=target.dialect,
            upstream_port=self._ports[UPSTREAM.name],
            headers={**job.headers, **target.headers},
            strict=job.strict and target.strict,
        )
        errors = self._directory / "load.err"
        with Process(["python", "-m", "bench.load"], errors=errors, cores=self._load_cores) as load:
            said = load.talk(msgspec.json.encode(job), job.limit_s + 30)
        return msgspec.json.decode(said, type=Report)


def _shortened(job: Job) -> Job:
    """Returns a job that warms a target up."""
    short = msgspec.structs.replace(
        job, connections=min(8, job.connections), each=min(job.each, 20), pieces=min(job.pieces, 200), ramp_s=0
    )
    if not short.interval_ms:
        return short
    return msgspec.structs.replace(short, pieces=max(2, min(50, int(_WARM_MS / short.interval_ms))))


def _without_histograms(report: Report) -> Report:
    return msgspec.structs.replace(report, late_histogram="", first_histogram="")


def _histograms(reports: Iterable[Report]) -> Histograms:
    """Returns the histograms of all rounds as one."""
    found = list(reports)
    return Histograms(
        _together([report.late_histogram for report in found]), _together([report.first_histogram for report in found])
    )


def _together(encoded: Sequence[str]) -> str:
    known = [HdrHistogram.decode(one) for one in encoded if one]
    if not known:
        return ""
    for other in known[1:]:
        known[0].add(other)
    whole: bytes = known[0].encode()
    return whole.decode()
