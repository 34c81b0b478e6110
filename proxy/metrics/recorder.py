"""Counts what there is to say of every exchange that has ended, under labels that no client can multiply."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

import msgspec

from ..errors import ExchangeError
from ..limiting.estimate import nano_dollars
from ..limiting.rules import Rule
from ..limiting.stage import REFUSED_BY
from ..marks import GUARDRAIL
from ..stage_times import own_s
from ..used import Used, used_by
from . import family as families
from .cells import Cells, Series
from .family import Family, owners
from .labels import NONE, OTHER, CodeLabels, ModelLabels
from .measure import Measure

if TYPE_CHECKING:
    from ..exchange import Exchange, Key

By = Literal["key", "team", "user"]
_FALSE = msgspec.Raw(b"false")
_MOST_NAME = 128
_MOST_REMEMBERED = 20_000
_SECONDS_SUM = len(families.SECONDS) + 1  # behind the buckets, the last of which has no bound
_OVERHEAD_SUM = len(families.MILLISECONDS) + 1
_KINDS = ("input", "cached", "cache_write", "output", "reasoning")


class Recorder:
    """Counts in the cells of this worker. `by` are owners for each of whom requests, tokens and cost are told."""

    def __init__(self, cells: Cells, by: Sequence[By] = ()) -> None:
        self._cells = cells
        self._values = cells.values
        self._models = ModelLabels()
        self._codes = CodeLabels()
        self._pairs: dict[tuple[str, str], _Pair] = {}
        self._at: dict[tuple[str, ...], int] = {}
        self._stages: dict[str, list[float]] = {}  # seconds and times since `take_times`: half the work a stage
        self._attempts: dict[tuple[str, str | None], int] = {}
        self._kept: dict[bool, int] = {}
        self._by = [(one, owners(one)) for one in by]
        self._open_requests = cells.series(families.OPEN_REQUESTS).at
        self._open_streams = cells.series(families.OPEN_STREAMS).at
        self._overhead = cells.series(families.OVERHEAD).at

    def began(self, exchange: Exchange) -> bool:
        """Counts an exchange that begins; returns whether it asks for a stream, for `ended` to be told."""
        self._values[self._open_requests] += 1
        stream = _streams(exchange)
        if stream:
            self._values[self._open_streams] += 1
        return stream

    def ended(self, exchange: Exchange, *, streamed: bool) -> None:
        """Counts an exchange that has ended. Hot: once an exchange."""
        values = self._values
        values[self._open_requests] -= 1
        if streamed:
            values[self._open_streams] -= 1
        deployment = exchange.deployment
        model, upstream = self._models.of(exchange), NONE if deployment is None else deployment.provider.name
        pair = self._pairs.get((model, upstream))
        if pair is None:
            pair = self._pairs[model, upstream] = _Pair(self._cells, model, upstream)
        dialect = NONE if exchange.request is None else exchange.request.dialect
        outcome = exchange.outcome or NONE
        at = pair.requests.get((dialect, outcome), -1)
        values[at if at >= 0 else pair.add_requests(dialect, outcome)] += 1
        used, cost = used_by(exchange), nano_dollars(exchange.cost)
        pair.count(values, exchange, used, cost)
        pair.time(values, exchange)
        self._times(exchange)
        self._events(exchange, upstream)
        if self._by and exchange.key is not None:
            self._owners(exchange.key, outcome, used, cost)

    def _find(self, family: Family, *labels: str) -> int:
        key = (family.name, *labels)
        at = self._at.get(key)
        if at is None:
            if len(self._at) >= _MOST_REMEMBERED:  # names of tokens' owners may come without end
                self._at.clear()
            at = self._at[key] = self._cells.series(family, labels).at
        return at

    def _times(self, exchange: Exchange) -> None:
        """Counts what Penstock and its stages took."""
        values, stages = self._values, self._stages
        if exchange.attempts and not exchange.background and (own := own_s(exchange)) is not None:
            at = self._overhead
            values[at + bisect_left(families.MILLISECONDS, own)] += 1
            values[at + _OVERHEAD_SUM] += own
        times = exchange.times
        if times is None:
            return
        for stage, seconds in times.items():
            sums = stages.get(stage)
            if sums is None:
                sums = stages[stage] = [0.0, 0.0]
            sums[0] += seconds
            sums[1] += 1.0

    def _events(self, exchange: Exchange, upstream: str) -> None:
        values = self._values
        for attempt in exchange.attempts:
            at = self._attempts.get((attempt.upstream, attempt.error), -1)
            values[at if at >= 0 else self._attempt(attempt.upstream, attempt.error)] += 1
        error, marks = exchange.error, exchange.marks
        if error is not None:
            values[self._find(families.ERRORS, upstream, self._codes.of(upstream, error.code or error.type))] += 1
        if REFUSED_BY in marks:
            refused: Rule = marks[REFUSED_BY]
            limit = f"{refused.stage} {refused.limit.unit} per {'+'.join(refused.per)}"
            values[self._find(families.REFUSALS, limit)] += 1
        if GUARDRAIL in marks:
            for mark in marks[GUARDRAIL]:
                did = [str(mark.get(name) or NONE) for name in families.GUARDRAIL.labels]
                values[self._find(families.GUARDRAIL, *did)] += 1
        kept = exchange.kept
        if kept is not None:
            at = self._kept.get(kept, -1)
            if at < 0:
                at = self._kept[kept] = self._find(families.KEPT, "yes" if kept else "no")
            values[at] += 1

    def _attempt(self, upstream: str, error: str | None) -> int:
        """Returns where attempts are counted that ended so, and remembers it where nobody can make up the error."""
        code = self._codes.of(upstream, error)
        at = self._find(families.ATTEMPTS, upstream, code)
        if code in (NONE, error):
            self._attempts[upstream, error] = at
        return at

    def _owners(self, key: Key, outcome: str, used: Used, cost: int) -> None:
        for by, (requests, tokens, dollars) in self._by:
            name = key.id if by == "key" else (key.team if by == "team" else key.user) or key.owner or NONE
            if len(name) > _MOST_NAME or not name.isprintable():  # a token's claims may say anything
                name = OTHER
            self._values[self._find(requests, name, outcome)] += 1
            self._values[self._find(tokens, name, "input")] += used.input
            self._values[self._find(tokens, name, "output")] += used.output
            self._values[self._find(dollars, name)] += cost

    def count(self, family: Family, *labels: str) -> None:
        """Counts one of a family of counters."""
        self._values[self._find(family, *labels)] += 1

    def take(self, part: object, measures: Iterable[Measure]) -> None:
        """Takes over what a part of the pipeline tells of itself: what has changed since it has told that last.

        The same number may be told by several parts, by the worker before, and by parts of a pipeline before: it is
        their sum. A part that two pipelines have is one part.
        """
        told = self._cells.told.setdefault(part, {})
        sums: dict[Series, float] = {}
        for one in measures:
            series = self._cells.series(
                Family(one.name, one.kind, one.help, tuple(one.labels)), tuple(one.labels.values())
            )
            sums[series] = sums.get(series, 0.0) + one.value
        for series, value in sums.items():
            self._values[series.at] += value - told.get(series, 0.0)
            told[series] = value

    def take_times(self) -> None:
        """Takes over what stages have taken since the last time."""
        for stage, sums in self._stages.items():
            at = self._cells.series(families.STAGE, (stage,)).at
            self._values[at] += sums[0]
            self._values[at + 1] += sums[1]
            sums[:] = 0.0, 0.0

    def leave(self, part: object) -> None:
        """Takes back what a part has told that is no count: it is closed."""
        told = self._cells.told.get(part, {})
        for series in [series for series in told if series.family.kind == "gauge"]:
            self._values[series.at] -= told.pop(series)


class _Pair:
    """Where the numbers of one model on one upstream are."""

    def __init__(self, cells: Cells, model: str, upstream: str) -> None:
        def at(family: Family, *more: str) -> int:
            return cells.series(family, (model, upstream, *more)).at

        self._at = at
        self.requests: dict[tuple[str, str], int] = {}  # where those are counted that ended so
        self._tokens = tuple(at(families.TOKENS, kind) for kind in _KINDS)
        self._cost = at(families.COST)
        self._estimated = at(families.ESTIMATED)
        self._unpriced = at(families.UNPRICED)
        self._first_token = at(families.FIRST_TOKEN)
        self._duration = at(families.DURATION)
        self._gap = at(families.GAP)

    def add_requests(self, dialect: str, outcome: str) -> int:
        """Returns a place for requests that ended so."""
        at = self.requests[dialect, outcome] = self._at(families.REQUESTS, dialect, outcome)
        return at

    def count(self, values: memoryview[float], exchange: Exchange, used: Used, cost: int) -> None:
        """Counts what was used, and what that has cost."""
        if used.input or used.output:
            entry, cached, written, output, reasoning = self._tokens
            values[entry] += used.input
            values[output] += used.output
            if used.cached:
                values[cached] += used.cached
            if used.cache_write:
                values[written] += used.cache_write
            if used.reasoning:
                values[reasoning] += used.reasoning
            if used.estimated:
                values[self._estimated] += 1
            if exchange.cost is None:
                values[self._unpriced] += 1
        if cost:
            values[self._cost] += cost

    def time(self, values: memoryview[float], exchange: Exchange) -> None:
        """Counts how long it took, as a whole and in its parts."""
        timing, pulse = exchange.timing, exchange.pulse
        started, bounds = timing.started, families.SECONDS
        if timing.first_event is not None:
            at, seconds = self._first_token, timing.first_event - started
            values[at + bisect_left(bounds, seconds)] += 1
            values[at + _SECONDS_SUM] += seconds
        if timing.ended is not None:
            at, seconds = self._duration, timing.ended - started
            values[at + bisect_left(bounds, seconds)] += 1
            values[at + _SECONDS_SUM] += seconds
        if pulse is not None and (counts := pulse.counts()) is not None:
            for bucket, count in enumerate(counts):
                if count:
                    values[self._gap + bucket] += count
            values[self._gap + len(counts)] += pulse.last - pulse.began


def _streams(exchange: Exchange) -> bool:
    request = exchange.request
    if request is None or (said := request.fields.get("stream")) is None or said == _FALSE:
        return False
    try:
        return request.stream
    except ExchangeError:
        return False
