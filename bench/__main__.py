"""The command line of the bench: `python -m bench`."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from . import document
from . import parts as request_parts
from .about import about, machine
from .compare import compared, read
from .console import micro_table, result_tables
from .elsewhere import HOW, target
from .endtoend import Bench
from .measure import Timing, time_all
from .micro import operations
from .processes import StartFailed
from .report import page
from .results import results
from .scenarios import Scenario, scenarios
from .targets import NAMES, Target, missing
from .way import Way

PARTS = ("micro", "parts", *scenarios(quick=True))
USUAL = ("micro", "bulk", "paced", "plain")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs what was asked for; returns 1 when an answer was wrong or a process did not start."""
    args = _arguments(argv)
    if sys.platform != "linux" and args.only != ["micro"]:
        print(
            "bench: only `--only micro` runs here: CPU time of other processes is read as Linux has it", file=sys.stderr
        )
        return 2
    signal.signal(signal.SIGTERM, _interrupted)
    found: dict[str, Any] = {"machine": machine(), "quick": args.quick, "about": about(argv or sys.argv[1:])}
    try:
        errors = _run(args, found)
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 130
    except (StartFailed, RuntimeError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    _write(args, found)
    for text in errors:
        print(f"wrong answer: {text}", file=sys.stderr)
    return 1 if errors else 0


def _run(args: argparse.Namespace, found: dict[str, Any]) -> list[str]:
    """Runs the parts; puts what they give into `found` and returns what was wrong."""
    parts = args.only or (PARTS if args.docs is not None else USUAL)
    print(found["machine"])
    if "micro" in parts:
        round_s, rounds = (0.002, 2) if args.quick else (0.05, max(args.rounds, 7))
        found["micro"] = timings = _micro(rounds, round_s)
        print(f"\nIn process, CPU us per operation, {rounds} rounds\n\n{micro_table(timings)}", flush=True)
    if "parts" in parts:
        found["parts"] = costs = request_parts.measure(each=5 if args.quick else 150)
        print(f"\nA request that is not streamed, part by part\n\n{request_parts.shown(costs)}", flush=True)
    wanted = [one for name, one in scenarios(quick=args.quick).items() if name in parts]
    if not wanted:
        return []
    return _over_sockets(args, wanted, found)


def _over_sockets(args: argparse.Namespace, wanted: Sequence[Scenario], found: dict[str, Any]) -> list[str]:
    elsewhere = {one.name: one for one in args.target}
    asked = {scenario.name: _names(args, scenario, elsewhere) for scenario in wanted}
    own = [name for name in NAMES if any(name in names for names in asked.values())]
    errors: list[str] = []
    with Bench(own, args.target, args.upstream) as bench:
        for scenario in wanted:
            names = asked[scenario.name]
            if not names:
                continue
            result = bench.measure(scenario, names, 1 if args.quick else args.rounds, warm=not args.quick)
            found[scenario.name] = result
            errors += result.errors()
            print(f"\n{result_tables(result, names)}", flush=True)
    return errors


def _names(args: argparse.Namespace, scenario: Scenario, elsewhere: dict[str, Target]) -> list[str]:
    """Returns the targets of a scenario: those asked for, or its own as far as they are installed."""
    if args.targets is not None:
        return [*args.targets, *elsewhere]
    names = [name for name in scenario.targets if not missing(name)]
    if len(names) < len(scenario.targets):
        for text in filter(None, map(missing, scenario.targets)):
            print(f"left out of {scenario.name}: {text}", file=sys.stderr)
    return [*names, *elsewhere]


def _write(args: argparse.Namespace, found: dict[str, Any]) -> None:
    """Writes what was found to where it was asked for."""
    told = list(results(found).values())
    if args.json is not None:
        args.json.write_bytes(document.raw(found))
    if args.html is not None:
        args.html.write_text(page(found["about"].machine, told), "utf-8")
    if args.docs is not None:
        document.write(args.docs, found)
    if args.compare is not None:
        print(f"\n{compared(results(args.compare), results(found))}")


def _micro(rounds: int, round_s: float) -> list[Timing]:
    with closing(Way()) as way:
        return time_all(operations(way), rounds=rounds, round_s=round_s)


def _interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m bench", description="Measures Penstock beside other proxies. See bench/README.md."
    )
    parser.add_argument("--only", action="append", choices=PARTS, help="run this part alone; can be repeated")
    parser.add_argument("--rounds", type=int, default=3, help="how often the targets take their turn (default: 3)")
    parser.add_argument("--quick", action="store_true", help="a few seconds: shows that all works, not what it costs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file too")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with plots")
    parser.add_argument("--compare", type=_earlier, metavar="OLD.json", help="show what has changed since that run")
    parser.add_argument(
        "--docs", type=Path, metavar="PAGE.md", help="run all parts; write the page, and data and plots beside it"
    )
    parser.add_argument(
        "--targets", type=_targets, metavar="NAME,...", help=f"what to measure in each scenario, of {', '.join(NAMES)}"
    )
    parser.add_argument(
        "--target", type=_elsewhere, action="append", default=[], metavar=HOW, help="measure what runs already, too"
    )
    parser.add_argument(
        "--upstream",
        type=_listen,
        default=("127.0.0.1", 0),
        metavar="[0.0.0.0:]PORT",
        help="where the bench's upstream listens (default: a free port), for targets that run already",
    )
    args = parser.parse_args(argv)
    if clash := [one.name for one in args.target if one.name in NAMES]:
        parser.error(f"a target of the bench is called {clash[0]}")
    return args


def _targets(text: str) -> tuple[str, ...]:
    names = tuple(filter(None, text.split(",")))
    if unknown := [name for name in names if name not in NAMES]:
        raise argparse.ArgumentTypeError(f"no target {unknown[0]!r}: {', '.join(NAMES)}")
    return names


def _elsewhere(text: str) -> Target:
    try:
        return target(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _listen(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if host not in ("", "127.0.0.1", "0.0.0.0") or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no port of 127.0.0.1 or 0.0.0.0")
    return host or "127.0.0.1", int(port)


def _earlier(text: str) -> dict[str, Any]:
    try:
        return read(Path(text))
    except (OSError, msgspec.MsgspecError) as error:
        raise argparse.ArgumentTypeError(f"{text} is not the result of a run: {error}") from None


if __name__ == "__main__":
    sys.exit(main())
