"""The families of metrics: their names by Prometheus' conventions, their labels, and how many series each may have."""

from __future__ import annotations

from typing import Literal

import msgspec

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Bounds of what takes as long as an answer, in seconds."""
MILLISECONDS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0)
"""Bounds of what Penstock itself takes, in seconds."""
GAPS = tuple(2.0**power / 1000 for power in range(15))
"""Bounds of the gaps between writes, in seconds: 1 ms, 2 ms, ... 16 s."""


class Family(msgspec.Struct, frozen=True, array_like=True):
    """Series of one name. A histogram has the upper `bounds` of its buckets, in the unit of its name.

    Numbers of a series are multiplied by `scale` when they are shown: money is counted in nano-dollars, exactly.
    A summary is a sum and a count. Beyond the `most` sets of labels, all are `other`.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram", "summary"]
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    scale: float = 1.0
    most: int = 200

    @property
    def width(self) -> int:
        """How many numbers a series is: one; or sum and count; or buckets, the last without a bound, and the sum."""
        return len(self.bounds) + 2 if self.kind == "histogram" else 2 if self.kind == "summary" else 1


_WHAT = ("model", "upstream")

REQUESTS = Family(
    "penstock_requests_total",
    "counter",
    "Requests that have ended, by how they ended.",
    ("model", "upstream", "dialect", "outcome"),
    most=2000,
)
ERRORS = Family(
    "penstock_errors_total",
    "counter",
    "Requests that ended in an error, by its code.",
    ("upstream", "code"),
    most=2000,
)
ATTEMPTS = Family(
    "penstock_attempts_total",
    "counter",
    "Times an upstream was asked; error is what came of it, or none.",
    ("upstream", "error"),
    most=2000,
)
TOKENS = Family(
    "penstock_tokens_total",
    "counter",
    "Tokens used. Cached ones are part of input, reasoning is part of output.",
    (*_WHAT, "kind"),
    most=1500,
)
ESTIMATED = Family(
    "penstock_estimated_usage_total", "counter", "Requests whose usage had to be estimated.", _WHAT, most=300
)
COST = Family(
    "penstock_cost_dollars_total", "counter", "What requests have cost, in dollars.", _WHAT, scale=1e-9, most=300
)
UNPRICED = Family(
    "penstock_unpriced_requests_total",
    "counter",
    "Requests that used tokens nobody knows a price for.",
    _WHAT,
    most=300,
)
FIRST_TOKEN = Family(
    "penstock_time_to_first_token_seconds",
    "histogram",
    "Time from a request until the first piece of its answer was released to the client.",
    _WHAT,
    SECONDS,
    most=300,
)
GAP = Family(
    "penstock_inter_token_gap_seconds",
    "histogram",
    "Time between one piece of a streamed answer and the next, as released to the client.",
    _WHAT,
    GAPS,
    most=300,
)
DURATION = Family(
    "penstock_request_duration_seconds", "histogram", "Time from a request to its end.", _WHAT, SECONDS, most=300
)
OVERHEAD = Family(
    "penstock_overhead_seconds",
    "histogram",
    "Time from a request until Penstock asked an upstream: what its own stages took.",
    (),
    MILLISECONDS,
)
STAGE = Family("penstock_stage_seconds", "summary", "Time that stages took with requests.", ("stage",))
OPEN_REQUESTS = Family("penstock_open_requests", "gauge", "Requests that are being served.")
OPEN_STREAMS = Family("penstock_open_streams", "gauge", "Requests among them that ask for a stream.")
REFUSALS = Family(
    "penstock_limit_refusals_total", "counter", "Requests that a limit or a budget has refused.", ("limit",)
)
GUARDRAIL = Family(
    "penstock_guardrail_actions_total",
    "counter",
    "Requests in which a rule of a guardrail did something, or could not.",
    ("rule", "action", "where"),
    most=500,
)
RELOADS = Family(
    "penstock_config_reloads_total", "counter", "Times the file was read again, by whether it is used.", ("result",)
)
KEPT = Family(
    "penstock_responses_kept_total", "counter", "Responses that were to be kept, by whether they were.", ("kept",)
)


def owners(by: str) -> tuple[Family, Family, Family]:
    """Returns the families of requests, tokens and cost for each key, team or user."""
    start = f"penstock_{by}"
    return (
        Family(f"{start}_requests_total", "counter", f"Requests that have ended, by {by}.", (by, "outcome"), most=3000),
        Family(f"{start}_tokens_total", "counter", f"Tokens used, by {by}.", (by, "kind"), most=2000),
        Family(f"{start}_cost_dollars_total", "counter", f"Dollars spent, by {by}.", (by,), scale=1e-9, most=1000),
    )
