"""Two runs side by side: what each target cost then and now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from .endtoend import Result, summary
from .tables import number, table


def read(path: Path) -> dict[str, Result]:
    """Returns the results of a run that was written with --json, by scenario.

    Raises OSError, and msgspec.MsgspecError for a file that is none.
    """
    found: dict[str, Any] = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    return {
        name: msgspec.convert(value, Result)
        for name, value in found.items()
        if isinstance(value, dict) and "runs" in value
    }


def compared(old: Mapping[str, Result], new: Mapping[str, Result]) -> str:
    """Returns a table of the ratios to the pass-through in both runs; they carry from one machine to another."""
    rows = []
    for name, result in new.items():
        if name not in old:
            continue
        targets = dict.fromkeys(run.target for run in result.runs)
        for target in (one for one in targets if any(run.target == one for run in old[name].runs)):
            before, now = summary(old[name], target), summary(result, target)
            if before.ratio is None or now.ratio is None:
                continue
            change = 100 * (now.ratio / before.ratio - 1)
            rows.append([f"{name}: {target}", number(before.ratio), number(now.ratio), f"{change:+.0f} %"])
    return table(["ratio to the pass-through", "then", "now", "change"], rows)
