"""Names of marks: what one part of Penstock leaves on an exchange for others to read."""

from __future__ import annotations

GUARDRAIL = "guardrail"
"""What rules of guardrails did: a list of `{rule, action, where, ...}`, for the log and the metrics."""

SEARCHED = "input_searched"
"""Set once the texts of the request were searched: what an upstream would read beside them is then not passed on."""
