"""The command line of the bench: `python -m bench`."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from .compare import compared, read
from .endtoend import Bench, Result, summary
from .measure import Timing, time_all
from .micro import operations
from .processes import StartFailed
from .report import page
from .scenarios import scenarios
from .tables import number, table
from .targets import BASELINE, NAMES
from .way import Way

PARTS = ("micro", *scenarios(quick=True))
USUAL = ("micro", "paced", "bulk", "plain")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs what was asked for; returns 1 when an answer was wrong or a process did not start."""
    args = _arguments(argv)
    if sys.platform != "linux" and args.only != ["micro"]:
        print(
            "bench: only `--only micro` runs here: CPU time of other processes is read as Linux has it", file=sys.stderr
        )
        return 2
    signal.signal(signal.SIGTERM, _interrupted)
    found: dict[str, Any] = {"machine": machine(), "quick": args.quick}
    try:
        errors = _run(args, found)
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 130
    except StartFailed as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if args.json is not None:
        args.json.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1))
    results = {name: one for name, one in found.items() if isinstance(one, Result)}
    if args.html is not None:
        words = {name: f"{one.shows}; {one.load()}" for name, one in scenarios(quick=args.quick).items()}
        told = [(words[name], result) for name, result in results.items()]
        args.html.write_text(page(found["machine"], told, args.targets), "utf-8")
    if args.compare is not None:
        print(f"\n{compared(args.compare, results)}")
    for text in errors:
        print(f"wrong answer: {text}", file=sys.stderr)
    return 1 if errors else 0


def _run(args: argparse.Namespace, found: dict[str, Any]) -> list[str]:
    """Runs the parts; puts what they give into `found` and returns what was wrong."""
    parts = args.only or USUAL
    print(found["machine"])
    if "micro" in parts:
        round_s, rounds = (0.002, 2) if args.quick else (0.05, max(args.rounds, 7))
        found["micro"] = timings = _micro(rounds, round_s)
        print(f"\nIn process, CPU us per operation, {rounds} rounds\n\n{_micro_table(timings)}", flush=True)
    wanted = [one for name, one in scenarios(quick=args.quick).items() if name in parts]
    if not wanted:
        return []
    errors: list[str] = []
    rounds = 1 if args.quick else args.rounds
    with Bench(args.targets) as bench:
        for scenario in wanted:
            result = bench.measure(scenario, rounds, warm=not args.quick)
            found[scenario.name] = result
            errors += result.errors()
            print(f"\n{scenario.name}: {scenario.shows}; {scenario.load()}; {rounds} rounds\n")
            print(_result_table(result, args.targets), flush=True)
    return errors


def _micro(rounds: int, round_s: float) -> list[Timing]:
    with closing(Way()) as way:
        return time_all(operations(way), rounds=rounds, round_s=round_s)


def _interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m bench", description="Measures Penstock beside a bare aiohttp pass-through. See bench/README.md."
    )
    parser.add_argument("--only", action="append", choices=PARTS, help="run this part alone; can be repeated")
    parser.add_argument("--rounds", type=int, default=5, help="how often the targets take their turn (default: 5)")
    parser.add_argument("--quick", action="store_true", help="a few seconds: shows that all works, not what it costs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file too")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with plots")
    parser.add_argument("--compare", type=_earlier, metavar="OLD.json", help="show what has changed since that run")
    parser.add_argument(
        "--targets",
        type=_targets,
        default=(BASELINE, "penstock"),
        metavar="NAME,...",
        help=f"what to measure, of {', '.join(NAMES)} (default: {BASELINE},penstock)",
    )
    return parser.parse_args(argv)


def _targets(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := [name for name in names if name not in NAMES]:
        raise argparse.ArgumentTypeError(f"no target {unknown[0]!r}: {', '.join(NAMES)}")
    return names


def _earlier(text: str) -> dict[str, Result]:
    try:
        return read(Path(text))
    except (OSError, msgspec.MsgspecError) as error:
        raise argparse.ArgumentTypeError(f"{text} is not the result of a run: {error}") from None


def machine() -> str:
    """Returns what the figures depend on, in a line."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = os.getloadavg()[0]
    return f"Python {platform.python_version()}, {platform.machine()}, {cores} cores, load {load:.1f}"


def _micro_table(timings: Sequence[Timing]) -> str:
    rows = []
    for one in timings:
        counted = f"{one.instructions:,}" if one.instructions is not None else "-"
        rows.append([one.name, number(one.best_us), number(one.median_us), number(one.ratio), counted, one.note])
    return table(["operation", "best", "median", "x reference", "instructions", ""], rows)


def _result_table(result: Result, names: Sequence[str]) -> str:
    rows = []
    for name in names:
        found = summary(result, name)
        reports = [run.report for run in result.runs if run.target == name]
        pieces, reads = sum(one.pieces for one in reports), sum(one.reads for one in reports)
        delay = reports[-1].late_ms or reports[-1].first_ms
        rows.append(
            [
                name,
                number(found.cost),
                _range(found.low, found.high),
                _or_dash(found.ratio),
                _range(found.ratio_low, found.ratio_high),
                f"{found.instructions:,.0f}" if found.instructions is not None else "-",
                _or_dash(found.instructions_ratio),
                number(pieces / max(reads, 1)),
                _range(delay.p50, delay.p99) if delay is not None else "-",
                f"{result.peak_kb[name] / 1000:.0f}",
                _or_dash(result.stream_kb(name)),
                str(sum(one.errors for one in reports)),
            ]
        )
    return table([*_HEAD[:1], f"CPU {result.unit}", *_HEAD[1:7], _DELAY[result.scenario == "paced"], *_HEAD[7:]], rows)


_HEAD = (
    "target",
    "range",
    "ratio",
    "range",
    "instructions",
    "ratio",
    "pieces a read",
    "peak MB",
    "kB a stream",
    "wrong",
)
_DELAY = ("first p50..p99 ms", "late p50..p99 ms")


def _or_dash(value: float | None) -> str:
    return number(value) if value is not None else "-"


def _range(low: float | None, high: float | None) -> str:
    return f"{number(low)}..{number(high)}" if low is not None and high is not None else "-"


if __name__ == "__main__":
    sys.exit(main())
