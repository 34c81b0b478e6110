"""Writes docs/performance.md: the figures of one full run in the words of performance.template.md.

`python -m bench.document [PAGE.md]` writes the page anew from the data beside it, after the words have changed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from .about import About
from .compare import read
from .console import COSTS, TIMES, Cell, busy_words, cells
from .measure import Timing
from .parts import Costs
from .processes import ROOT
from .report import page as plots
from .results import Result, results, summary
from .tables import number
from .targets import BASELINE, DIRECT, STAGES

PAGE = ROOT / "docs" / "performance.md"
_TEMPLATE = Path(__file__).with_name("performance.template.md")
_SHOWN = {
    "CPU": "CPU",
    "ratio": "ratio",
    "its range": "range",
    "user + kernel": "instructions",
    "cycles": "cycles",
    "pieces a read": "pieces a read",
    "kB a stream": "kB a stream",
    "wrong": "wrong",
}
"""The columns of costs, and what they are called here."""
_TRANSLATES = "penstock"


class Goal(msgspec.Struct, frozen=True):
    """What is to be reached: the `most` that a figure of a target may be, as a ratio to the scenario's base."""

    words: str
    scenario: str
    most: float
    target: str = _TRANSLATES
    peers: str = ""


GOALS = (
    Goal("S2 paced streams, CPU per delta", "paced", 0.65, peers="paced-20"),
    Goal("S2 streams of 600 pieces, CPU per delta", "paced-long", 0.65),
    Goal("S1 unpaced streams, CPU per delta", "bulk", 1.2),
    Goal("S3 not streamed, CPU per request, no store", "plain", 1.0, "penstock-storeless"),
    Goal("S3 not streamed, CPU per request, SQLite store", "plain", 1.5),
    Goal("S8 full policy, CPU per delta, to the shipped pipeline", "policy", 1.25, "penstock-policy"),
    Goal("S8 full policy, CPU per request, to the shipped pipeline", "policy-plain", 2.0, "penstock-policy"),
)
"""The goals that are ratios of CPU time. `peers` is the scenario in which slow peers are measured, where another."""
_STREAM_KB, _BASE_MB, _ADDED_MS = 25, 60, (0.3, 3)


def raw(found: Mapping[str, Any]) -> bytes:
    """Returns all that a run has given, and what the rounds of each target come to, as JSON."""
    told = results(found)
    summaries = {name: {target: summary(one, target) for target in one.targets()} for name, one in told.items()}
    return msgspec.json.format(msgspec.json.encode({**found, "summaries": summaries}), indent=1) + b"\n"


def write(path: Path, found: Mapping[str, Any]) -> None:
    """Writes the page of a run, and beside it the data it is made of and the plots."""
    beside = path.with_suffix("")
    beside.mkdir(parents=True, exist_ok=True)
    about: About = found["about"]
    (beside / "result.json").write_bytes(raw(found))
    (beside / "report.html").write_text(plots(f"{about.machine}, {about.date}", list(results(found).values())), "utf-8")
    path.write_text(document(read(beside / "result.json"), beside.name), "utf-8")


def document(found: Mapping[str, Any], beside: str) -> str:
    """Returns the page of a run; what it is made of lies in the folder `beside` it."""
    told = results(found)
    about = msgspec.convert(found["about"], About)
    parts = {
        "about": _about(about),
        "command": about.command,
        "beside": beside,
        "goals": _goals(told),
        "micro": _micro(msgspec.convert(found.get("micro", []), list[Timing])),
        "parts": _parts(msgspec.convert(found["parts"], Costs)) if "parts" in found else "",
        "stages": _stages(told["stages"]) if "stages" in told else "",
        "scenarios": "\n\n".join(_scenario(result) for result in told.values()),
        "late of direct": _times(told["paced"].times(DIRECT, "late_ms")) if "paced" in told else "-",
        "floor of paced": _ratio(told["paced"], "nginx") if "paced" in told else "-",
        **{f"kernel of {name}": _kernel(told, name) for name in ("paced", "plain")},
    }
    return re.sub(r"\{\{(.+?)\}\}", lambda match: parts[match[1]], _TEMPLATE.read_text("utf-8"))


def _about(about: About) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in about.versions.items())
    return f"Measured on {about.date} at revision `{about.revision}`: {about.machine}; {versions}."


def _goals(told: Mapping[str, Result]) -> str:
    """Returns what was to be reached beside what was."""
    head = [
        "",
        "bare aiohttp pass-through",
        "nginx",
        "LiteLLM",
        "Penstock",
        "range",
        "instructions",
        "to be reached",
        "",
    ]
    rows = [_goal(goal, told) for goal in GOALS if goal.scenario in told]
    if "open" in told:
        found = told["open"]
        streams = {name: found.stream_kb(name) for name in (BASELINE, "nginx", _TRANSLATES)}
        kb = [f"{one:.0f} kB" if one is not None else "-" for one in streams.values()]
        rows.append(
            [
                "S4 memory of one open stream",
                kb[0],
                kb[1],
                "-",
                kb[2],
                "",
                "",
                f"<= {_STREAM_KB} kB",
                _reached(streams[_TRANSLATES], _STREAM_KB),
            ]
        )
        base = [found.base_kb.get(name, 0) / 1000 for name in streams]
        other = next((one.base_kb["litellm"] / 1000 for one in told.values() if "litellm" in one.base_kb), None)
        megabytes = [f"{one:.0f} MB" for one in base]
        rows.append(
            [
                "memory of a worker before the first request",
                megabytes[0],
                megabytes[1],
                f"{other:.0f} MB" if other else "-",
                megabytes[2],
                "",
                "",
                f"<= {_BASE_MB} MB",
                _reached(base[2], _BASE_MB),
            ]
        )
    if "paced" in told:
        rows.append(_added(told["paced"]))
    return _markdown(head, rows)


def _goal(goal: Goal, told: Mapping[str, Result]) -> list[str]:
    result = told[goal.scenario]
    found = summary(result, goal.target)
    base = summary(result, result.base).cost
    peers = told.get(goal.peers, result)
    others = [
        _ratio(result, "nginx") if result.base == BASELINE else "",
        _ratio(peers, "litellm") if result.base == BASELINE else "",
    ]
    return [
        goal.words,
        f"1 ({number(base)} {result.unit})" if base is not None and result.base == BASELINE else "",
        *others,
        _number(found.ratio),
        f"{_number(found.ratio_low)} to {_number(found.ratio_high)}",
        _number(found.counted_ratio),
        f"<= {goal.most:g}",
        _reached(found.ratio, goal.most),
    ]


def _added(result: Result) -> list[str]:
    times = {name: result.added(name, "late_ms") for name in (BASELINE, "nginx", _TRANSLATES)}
    said = [f"{one[0]:.2f} / {one[1]:.2f} ms" if one is not None else "-" for one in times.values()]
    mine = times[_TRANSLATES]
    good = mine is not None and mine[0] <= _ADDED_MS[0] and mine[1] <= _ADDED_MS[1]
    asked = f"<= {_ADDED_MS[0]} / {_ADDED_MS[1]} ms"
    return [
        "S2 at 5,000 deltas/s, added per event, p50 / p99",
        said[0],
        said[1],
        "-",
        said[2],
        "",
        "",
        asked,
        "yes" if good else "no",
    ]


def _reached(value: float | None, most: float) -> str:
    return "-" if value is None else "yes" if value <= most else "no"


def _ratio(result: Result, name: str) -> str:
    return _number(summary(result, name).ratio)


def _number(value: float | None) -> str:
    return number(value) if value is not None else "-"


def _times(pair: tuple[float, float] | None) -> str:
    return f"{pair[0]:.2f} / {pair[1]:.2f}" if pair is not None else "-"


def _kernel(told: Mapping[str, Result], name: str) -> str:
    """Returns which share of a scenario's instructions the kernel takes, for Penstock and for the pass-through."""
    if name not in told:
        return "-"
    shares = []
    for target in (_TRANSLATES, BASELINE):
        runs = [run for run in told[name].of(target) if run.counted and run.kernel is not None]
        kernel, counted = sum(run.kernel or 0 for run in runs), sum(run.counted or 0 for run in runs)
        shares.append(f"{100 * kernel / counted:.0f} %" if counted else "-")
    return f"{shares[0]} (pass-through: {shares[1]})"


def _scenario(result: Result) -> str:
    names = result.targets()
    shown: dict[str, Cell] = {said: COSTS[title] for title, said in _SHOWN.items()} | TIMES
    rounds = 1 + max(run.round for run in result.runs)
    parts = [f"### {result.number}: {result.scenario}"]
    said = f"{result.words[0].upper()}{result.words[1:]}. {rounds} round{'s' if rounds > 1 else ''}"
    parts.append(f"{said}; ratios to {result.base}; {busy_words(result)}.")
    parts += [f"{name} had less to do: {words}." for name, words in result.lighter.items()]
    parts.append(_markdown(*cells(shown, result, names)))
    return "\n\n".join(parts)


def _parts(costs: Costs) -> str:
    """Returns what each part of a request costs."""
    rows = [[one.part, f"{one.each:,.0f}", f"{100 * one.each / costs.total:.1f} %"] for one in costs.parts]
    return _markdown(["part", costs.unit, "of all"], [*rows, ["**a request**", f"{costs.total:,.0f}", ""]])


def _stages(result: Result) -> str:
    """Returns what each stage adds to a request: the difference to the target that has all but it."""
    rows = []
    for name, without in STAGES.items():
        cost, count = result.more(name, without, "cost"), result.more(name, without, "counted")
        said = f"{1000 * cost:+.0f}" if cost is not None else "-"
        rows.append([f"`{name}`", f"`{without}`", said, f"{count:+,.0f}" if count is not None else "-"])
    bare = summary(result, result.base)
    counted = f"{bare.counted:,.0f}" if bare.counted is not None else "-"
    rows.insert(0, [f"`{result.base}`", "", f"{1000 * (bare.cost or 0):.0f}", counted])
    return _markdown(["with", "beside", "us of CPU a request", "instructions, user + kernel"], rows)


def _micro(timings: Sequence[Timing]) -> str:
    rows = [
        [one.name, number(one.best_us), f"{one.instructions:,}" if one.instructions is not None else "-"]
        for one in timings
    ]
    return _markdown(["operation, per delta or per request", "us, best of all rounds", "instructions"], rows)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(row: Sequence[str]) -> str:
        return "| " + " | ".join(row) + " |"

    marks = ["---", *["--:"] * (len(head) - 1)]
    return "\n".join([line(head), line(marks), *map(line, rows)])


def main(argv: Sequence[str] | None = None) -> int:
    """Writes the page anew from the data beside it."""
    path = Path((argv if argv is not None else sys.argv[1:] or [str(PAGE)])[0])
    beside = path.with_suffix("")
    path.write_text(document(read(beside / "result.json"), beside.name), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
