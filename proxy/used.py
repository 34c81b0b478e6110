"""What an exchange has used over all its attempts: the ledger and the metrics count it in the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from .exchange import Exchange


class Used(msgspec.Struct, gc=False):
    """Tokens of an exchange. `cached` is None where no upstream has told of a cache, which is not the same as 0."""

    input: int = 0
    cached: int | None = None
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    estimated: bool = False


def used_by(exchange: Exchange) -> Used:
    """Returns what an ended exchange has used, the attempts that failed included. Hot: once an exchange."""
    attempts = exchange.attempts
    if len(attempts) == 1 and (only := attempts[0].usage) is not None:
        return Used(
            only.input_tokens,
            only.cached_tokens if only.cached_tokens or only.cache_missed else None,
            only.cache_write_tokens,
            only.output_tokens,
            only.reasoning_tokens,
            only.estimated,
        )
    used = Used()
    for attempt in attempts:
        usage = attempt.usage
        if usage is None:
            continue
        used.input += usage.input_tokens
        used.output += usage.output_tokens
        used.reasoning += usage.reasoning_tokens
        used.cache_write += usage.cache_write_tokens
        if usage.cached_tokens or usage.cache_missed:
            used.cached = (used.cached or 0) + usage.cached_tokens
        used.estimated = used.estimated or usage.estimated
    return used
