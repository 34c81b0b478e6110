"""Two runs side by side: what each target cost then and now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from .results import Result, results, summary
from .tables import number, table


def read(path: Path) -> dict[str, Any]:
    """Returns all that a run has given that was written with --json; its results are Results.

    Raises OSError, and msgspec.MsgspecError for a file that is none.
    """
    found: dict[str, Any] = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    return found | results(found)


def compared(old: Mapping[str, Result], new: Mapping[str, Result]) -> str:
    """Returns a table of the ratios in both runs; they carry from one machine to another."""
    rows = []
    for name, result in new.items():
        if name not in old:
            continue
        for target in (one for one in result.targets() if one in old[name].targets()):
            before, now = summary(old[name], target), summary(result, target)
            if before.ratio is None or now.ratio is None or old[name].base != result.base:
                continue
            change = 100 * (now.ratio / before.ratio - 1)
            counted = "-"
            if before.instructions_ratio and now.instructions_ratio:
                counted = f"{100 * (now.instructions_ratio / before.instructions_ratio - 1):+.0f} %"
            rows.append([f"{name}: {target}", number(before.ratio), number(now.ratio), f"{change:+.0f} %", counted])
    return table(["ratio of CPU to the base's", "then", "now", "change", "of instructions"], rows)
