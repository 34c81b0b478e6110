"""List the stages that a pipeline may have, or explain one: docs, settings, order, and what it sees."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..config.describe import StageDescription, describe
from ..config.fields import FieldRow
from ..config.problems import instead
from ..errors import ConfigError
from ..registry import installed_stages
from .report import exit_code, print_json, tell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the stage to explain, the form of the output, and the folder for pages."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="the stage to explain")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--docs", type=Path, metavar="DIR", help="write a Markdown page for each stage into DIR")


def run(args: argparse.Namespace) -> int:
    """Prints the list, the explanation, or how many pages were written."""
    try:
        stages = {name: describe(stage) for name, stage in installed_stages().items()}
    except ConfigError as error:
        tell(error.problems)
        return exit_code(error)
    if args.name is not None and args.name not in stages:
        print(f'unknown stage "{args.name}"   ({instead(args.name, stages)})', file=sys.stderr)
        return 2
    chosen = list(stages.values()) if args.name is None else [stages[args.name]]
    if args.docs is not None:
        args.docs.mkdir(parents=True, exist_ok=True)
        for stage in chosen:
            (args.docs / f"{stage.name}.md").write_text(page(stage), "utf-8")
        print(f"{len(chosen)} pages written to {args.docs}")
    elif args.json:
        print_json(chosen if args.name is None else chosen[0])
    elif args.name is None:
        print("\n".join(_table([(stage.name, stage.summary) for stage in chosen])))
    else:
        print("\n".join(_explained(chosen[0])))
    return 0


def page(stage: StageDescription) -> str:
    """Returns the page of a stage in Markdown."""
    parts = [f"# {stage.name}", stage.text]
    if stage.example:
        indented = stage.example.replace("\n", "\n  ")
        parts.append(f"```yaml\npipeline:\n  {indented}\n```")
    parts += ["## Settings", _markdown_table(stage.settings) if stage.settings else "There is nothing to set."]
    parts += ["## Where it may stand", _bullets(stage.order), "## What it sees", _bullets(stage.sees)]
    return "\n\n".join(parts) + "\n"


def _bullets(items: Sequence[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _markdown_table(rows: Sequence[FieldRow]) -> str:
    lines = ["| setting | type | default | what it does |", "|---|---|---|---|"]
    for row in rows:
        default = row.default if row.default in ("", "required") else f"`{row.default}`"
        cells = (f"`{row.name}`", row.type, default, row.description)
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join(lines)


def _explained(stage: StageDescription) -> Iterator[str]:
    """Yields the lines that explain a stage on a terminal."""
    yield from (stage.name, "", *stage.text.splitlines(), "", "settings")
    if stage.settings:
        rows = [(row.name, row.type.replace("`", ""), row.default, row.description) for row in stage.settings]
        yield from (f"  {line}" for line in _table(rows))
    else:
        yield "  none"
    yield from ("", "where it may stand", *(f"  {line}" for line in stage.order))
    yield from ("", "what it sees", *(f"  {line}" for line in stage.sees))
    if stage.example:
        yield from ("", "example", *(f"  {line}" for line in stage.example.splitlines()))


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yields rows with their columns in line."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
