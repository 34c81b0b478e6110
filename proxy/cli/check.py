"""Find every mistake in a pipeline.yaml, by line and column, with what to do about it."""

from __future__ import annotations

import argparse
import asyncio

from ..config.file import Config
from ..config.loader import load
from ..errors import ConfigError
from ..reach import Reached, reach
from .report import exit_code, missing_keys, print_json, tell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the file and the form of the output."""
    parser.add_argument("file", nargs="?", default="pipeline.yaml", metavar="FILE", help="default: pipeline.yaml")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument(
        "--connect", action="store_true", help="also ask every upstream for something that costs nothing"
    )
    parser.add_argument(
        "--timeout", type=float, default=20.0, metavar="SECONDS", help="how long an upstream may take (default: 20)"
    )


def run(args: argparse.Namespace) -> int:
    """Prints what is wrong with a file, and with the way to its upstreams if asked, or that nothing is."""
    try:
        config = load(args.file)
    except ConfigError as error:
        if args.json:
            print_json({"file": args.file, "ok": False, "problems": error.problems})
        else:
            tell(error.problems)
        return exit_code(error)
    reached = asyncio.run(reach(config, args.timeout)) if args.connect else []
    problems = [*config.warnings, *(one.problem for one in reached if one.problem is not None)]
    ok = all(one.ok for one in reached)
    if args.json:
        tried = {"reached": [_trial(one) for one in reached]} if args.connect else {}
        print_json({"ok": ok, "problems": problems, **_counts(config), **tried})
    else:
        tell(problems)
        print(_summary(config))
        for one in reached:
            if one.problem is None:
                print(f"upstreams.{one.upstream}: reached in {one.seconds:.2f} s")
    return 0 if ok else 1


def _trial(one: Reached) -> dict[str, object]:
    return {"upstream": one.upstream, "ok": one.ok, "seconds": round(one.seconds, 3)}


def _counts(config: Config) -> dict[str, object]:
    return {
        "file": config.file,
        "upstreams": list(config.upstreams),
        "models": list(config.models),
        "pipeline": [entry.name for entry in config.pipeline],
        "skipped": config.skipped,
    }


def _summary(config: Config) -> str:
    """Returns one line: that the file is right, what is in it, what is left out here and why, what would add to it."""
    counts = ", ".join(
        f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"
        for noun, items in (("upstream", config.upstreams), ("model", config.models), ("stage", config.pipeline))
    )
    left_out = [each for each in config.skipped if not each.missing]
    skipped = [f"upstream {each.name} ({each.reason})" for each in left_out if each.kind == "upstream"]
    skipped += [f"model {each.name}" for each in left_out if each.kind == "model"]
    rest = f"; skipped: {', '.join(skipped)}" if skipped else ""
    keys = missing_keys(config)
    more = f"; more is served with: {keys}" if keys else ""
    return f"{config.file} is right: {counts}{rest}{more}"
