"""Fails when the hot path has become slower: its micro-benchmarks as ratios to a loop measured in the same run.

`python -m bench.guard` compares with `baseline.json` and returns 1 where an operation costs 20 % more than there;
`--update` writes what is measured now into it, after a change that is meant. Instructions are compared where they can
be counted, CPU time otherwise: no absolute figures, so that it is the same on a slow machine and on a fast one.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal

import msgspec

from proxy.compiled import is_compiled

from .instructions import Counter
from .measure import Operation, Run, Timing, time_all
from .micro import operations, text_chunk
from .tables import number, table
from .way import Way

BASELINE = Path(__file__).with_name("baseline.json")
SLOWER = 1.2
"""How much more than in the baseline an operation may cost."""
_COUNT = 500
_TRIES, _ROUNDS = 6, {"instructions": 3, "cpu": 7}
_ROUND_S = 0.002
_LEFT_OUT = ("captured", "100 kB")  # recordings that are not everywhere; what takes a whole round by itself

How = Literal["instructions", "cpu"]
Costs = dict[str, float]


class Baseline(msgspec.Struct, frozen=True):
    """What operations cost with one Python on one kind of processor, as ratios to the reference loop."""

    instructions: Costs = {}
    cpu: Costs = {}

    def costs(self, how: How) -> Costs:
        """Returns the ratios of instructions, or of CPU time."""
        return self.instructions if how == "instructions" else self.cpu


def place() -> str:
    """Returns for what a baseline holds: another Python has other costs throughout, and so has the compiled form."""
    major, minor, _ = platform.python_version_tuple()
    form = ", compiled" if is_compiled() else ""
    return f"{platform.python_implementation()} {major}.{minor} {platform.machine()}{form}"


def read(path: Path = BASELINE) -> dict[str, Baseline]:
    """Returns all baselines, by place."""
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Baseline])


class _Part:
    __slots__ = ("count", "text")

    def __init__(self, count: int, text: str) -> None:
        self.count, self.text = count, text


def _reference_step(data: bytes, seen: list[_Part], counts: dict[str, int]) -> bytes:
    """Does what the hot path is made of: looks at bytes, decodes, makes objects, formats. Nothing of the project's."""
    found = msgspec.json.decode(data[6:-2])
    text = found["choices"][0]["delta"]["content"]
    part = _Part(len(seen), text)
    seen.append(part)
    counts[text] = counts.get(text, 0) + part.count
    return b'data: {"number":%d,"text":%b}\n\n' % (part.count, msgspec.json.encode(part.text))


def reference() -> Operation:
    """Returns the loop that everything is compared with."""
    data = [text_chunk(index) for index in range(1, _COUNT + 1)]

    def prepare() -> Run:
        def run() -> None:
            seen: list[_Part] = []
            counts: dict[str, int] = {}
            for one in data:
                _reference_step(one, seen, counts)

        return run

    return Operation("the reference loop", _COUNT, prepare)


def guarded(way: Way) -> list[Operation]:
    """Returns the operations that are watched: the micro-benchmarks that are the same everywhere."""
    return [one for one in operations(way)[1:] if not any(words in one.name for words in _LEFT_OUT)]


def measured(watched: Sequence[Operation], how: How) -> Costs:
    """Returns what operations cost, the best of several rounds, as ratios to the reference loop."""
    timings = time_all([reference(), *watched], rounds=_ROUNDS[how], round_s=_ROUND_S)

    def cost(timing: Timing) -> float:
        return timing.best_us if how == "cpu" else timing.instructions or 0

    return {timing.name: cost(timing) / cost(timings[0]) for timing in timings[1:]}


def slower(now: Mapping[str, float], before: Mapping[str, float]) -> list[str]:
    """Returns the operations that cost too much, of those that are known."""
    return [name for name, cost in now.items() if name in before and cost > before[name] * SLOWER]


def compare(watched: Sequence[Operation], before: Mapping[str, float], how: How) -> Costs:
    """Returns what operations cost now; those that seem slower are measured again, for the machine may be busy.

    What is really slower stays so: the best of all tries counts.
    """
    now = measured(watched, how)
    for _ in range(_TRIES - 1):
        names = slower(now, before)
        if not names:
            break
        again = measured([one for one in watched if one.name in names], how)
        now |= {name: min(cost, now[name]) for name, cost in again.items()}
    return now


def how_counted() -> How:
    """Returns what can be compared on this machine."""
    counter = Counter.open()
    if counter is None:
        return "cpu"
    counter.close()
    return "instructions"


def update(path: Path, watched: Sequence[Operation]) -> None:
    """Writes what operations cost now into the file, beside what it says of other places."""
    found = read(path) if path.exists() else {}
    counted = measured(watched, "instructions") if how_counted() == "instructions" else {}
    timed = measured(watched, "cpu")
    for _ in range(_TRIES - 1):
        timed = {name: min(cost, timed[name]) for name, cost in measured(watched, "cpu").items()}
    rounded = [{name: round(cost, 3) for name, cost in costs.items()} for costs in (counted, timed)]
    found[place()] = Baseline(*rounded)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")


def told(now: Mapping[str, float], before: Mapping[str, float], how: How) -> str:
    """Returns a table of what operations cost in the baseline and now."""
    wrong = slower(now, before)
    rows = []
    for name, cost in now.items():
        if name in before:
            change = f"{100 * (cost / before[name] - 1):+.0f} %"
            rows.append([name, number(before[name]), number(cost), change, "SLOWER" if name in wrong else ""])
        else:
            rows.append([name, "-", number(cost), "new", ""])
    return table([f"{how}, to the reference loop", "baseline", "now", "change", ""], rows)


def main(argv: Sequence[str] | None = None) -> int:
    """Compares with the baseline, or updates it."""
    parser = argparse.ArgumentParser("python -m bench.guard", description="Fails when the hot path became slower.")
    parser.add_argument("--update", action="store_true", help="write what is measured now into the baseline")
    parser.add_argument("--cpu", action="store_true", help="compare CPU time, also where instructions can be counted")
    parser.add_argument("--baseline", type=Path, default=BASELINE, metavar="FILE", help="another file")
    args = parser.parse_args(argv)
    with closing(Way()) as way:
        watched = guarded(way)
        if args.update:
            update(args.baseline, watched)
            return 0
        known = read(args.baseline).get(place())
        how: How = "cpu" if args.cpu else how_counted()
        if known is None or not known.costs(how):
            print(f"there is no baseline of {how} for {place()}: --update makes one", file=sys.stderr)
            return 0
        now = compare(watched, known.costs(how), how)
    print(told(now, known.costs(how), how))
    return 1 if slower(now, known.costs(how)) else 0


if __name__ == "__main__":
    sys.exit(main())
