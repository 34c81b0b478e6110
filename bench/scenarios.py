"""The kinds of load that targets are put under, read from scenarios.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from .load import Job, Report
from .targets import BASELINE, DIRECT, Target

_FILE = Path(__file__).with_name("scenarios.yaml")
_QUICK_LIMIT_S = 20.0


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of load: its name, what it shows, its job (the port and the dialect are the target's), and the unit.

    `number` is that of the list of all kinds of load, S1 to S10. `targets` are those it is about, `base` the one that
    ratios are to, `against` the one that times are compared with. Slow targets get the `lighter` job instead. It is run
    at most `rounds` times.
    """

    name: str
    number: str
    shows: str
    job: Job
    targets: tuple[str, ...]
    per: Literal["delta", "request"] = "delta"
    memory: bool = False
    base: str = BASELINE
    against: str = DIRECT
    lighter: Job | None = None
    rounds: int = 100

    def job_of(self, target: Target) -> Job:
        """Returns the job that a target is given, without what is the target's own."""
        return self.lighter if target.slow and self.lighter is not None else self.job

    @property
    def unit(self) -> str:
        """What CPU time is given in."""
        return "us/delta" if self.per == "delta" else "ms/request"

    def units(self, report: Report) -> int:
        """Returns how many deltas or requests there were."""
        return max(report.pieces if self.per == "delta" else report.answers, 1)

    def cost(self, cpu_s: float, report: Report) -> float:
        """Returns the CPU time of one delta in us, or of one request in ms."""
        return cpu_s * (1e6 if self.per == "delta" else 1e3) / self.units(report)

    def load(self, job: Job | None = None) -> str:
        """Returns the load in words, or another job's."""
        job = job or self.job
        answers = f"{job.connections * job.each} answers"
        if not job.stream:
            return f"{answers} not streamed, {job.connections} connections"
        pace = f"one piece each {job.interval_ms:g} ms" if job.interval_ms else f"{job.block} at a time without a pause"
        return f"{answers} of {job.pieces} pieces, {pace}, {job.connections} connections"


def scenarios(path: Path = _FILE, *, quick: bool) -> dict[str, Scenario]:
    """Returns the scenarios of a file by name; quick ones show that all works, not what it costs.

    Raises msgspec.ValidationError for what is no scenario, naming the field.
    """
    found: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text("utf-8"))
    return {name: _read(name, dict(fields), quick=quick) for name, fields in found.items()}


def _read(name: str, fields: dict[str, Any], *, quick: bool) -> Scenario:
    smaller, lighter = fields.pop("quick", {}), fields.pop("lighter", None)
    job = {**fields.get("job", {}), "port": 0, "dialect": "chat"}
    if lighter is not None:
        fields["lighter"] = {**job, **lighter, **({**smaller, "limit_s": _QUICK_LIMIT_S} if quick else {})}
    if quick:
        job = {**job, **smaller, "limit_s": _QUICK_LIMIT_S}
    return msgspec.convert({**fields, "job": job, "name": name}, Scenario)
