"""The echo models: their names, and what each does when a request has no directives of its own.

    echo                 says back the last thing the user said; the tools' results, when they come last
    echo-reasoning       thinks first, then says it
    echo-tools           calls a tool: the one that the user's text names, else the first; then quotes its result
    echo-tools-parallel  calls several
    echo-refusal         refuses
    echo-length          stops half-way with finish reason `length`
    echo-slow            five tokens a second
    echo-error-<status>  answers with an HTTP error, 400 to 599
    echo-stream-error    says half of it, then an error object comes
    echo-cut             says half of it, then the connection is lost
    echo-stall           says half of it, then says nothing more until the connection is closed

All of them fill a JSON Schema when the request asks for structured output, call a tool when `tool_choice` demands it,
and obey `max_tokens`, `stop` and `logprobs`.
"""

from __future__ import annotations

from collections.abc import Callable

from .directives import Step

ERROR_PREFIX = "echo-error-"
_LISTED_ERRORS = (400, 401, 404, 429, 500, 503)
_SLOW_TOKENS_PER_S = 5.0

_STEPS: dict[str, Callable[[], Step]] = {
    "echo": Step,
    "echo-reasoning": Step,
    "echo-tools": Step,
    "echo-tools-parallel": Step,
    "echo-refusal": lambda: Step(refusal="I cannot help with that."),
    "echo-length": Step,
    "echo-slow": Step,
    "echo-stream-error": lambda: Step(accident="stream_error"),
    "echo-cut": lambda: Step(accident="cut"),
    "echo-stall": lambda: Step(accident="stall"),
}


def model_names() -> list[str]:
    """Returns the names to show; of the errors only the usual ones."""
    return [*_STEPS, *(f"{ERROR_PREFIX}{status}" for status in _LISTED_ERRORS)]


def model_step(model: str) -> Step | None:
    """Returns what a model does by itself, or None when there is no such model."""
    status = model.removeprefix(ERROR_PREFIX)
    if status != model and status.isdecimal() and 400 <= int(status) <= 599:
        return Step(status=int(status))
    make = _STEPS.get(model)
    return None if make is None else make()


def model_pace(model: str, default: float) -> float:
    """Returns a model's tokens a second; 0 is as fast as possible."""
    return _SLOW_TOKENS_PER_S if model == "echo-slow" else default
