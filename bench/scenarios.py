"""The kinds of load that targets are put under, read from scenarios.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from .load import Job, Report

_FILE = Path(__file__).with_name("scenarios.yaml")
_QUICK_LIMIT_S = 20.0


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of load: its name, what it shows, its job (the port and the dialect are the target's), and the unit."""

    name: str
    shows: str
    job: Job
    per: Literal["delta", "request"] = "delta"
    memory: bool = False

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

    def load(self) -> str:
        """Returns the load in words."""
        job = self.job
        answers = f"{job.connections * job.each} answers"
        if not job.stream:
            return f"{answers} not streamed, {job.connections} connections"
        pace = f"one piece each {job.interval_ms:g} ms" if job.interval_ms else "as fast as they go"
        return f"{answers} of {job.pieces} pieces, {pace}, {job.connections} connections"


def scenarios(path: Path = _FILE, *, quick: bool) -> dict[str, Scenario]:
    """Returns the scenarios of a file by name; quick ones show that all works, not what it costs.

    Raises msgspec.ValidationError for what is no scenario, naming the field.
    """
    found: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text("utf-8"))
    return {name: _read(name, dict(fields), quick=quick) for name, fields in found.items()}


def _read(name: str, fields: dict[str, Any], *, quick: bool) -> Scenario:
    smaller = fields.pop("quick", {})
    job = {**fields.get("job", {}), "port": 0, "dialect": "chat"}
    if quick:
        job = {**job, **smaller, "limit_s": _QUICK_LIMIT_S}
    return msgspec.convert({**fields, "job": job, "name": name}, Scenario)
