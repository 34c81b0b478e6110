"""`POST /responses/input_tokens`: how long an input is (wire reference, section 1.5)."""

from __future__ import annotations

from ..api.responses.request import ResponsesRequest
from ..exchange import Exchange

_FIELDS = frozenset(
    (
        "conversation",
        "input",
        "instructions",
        "model",
        "parallel_tool_calls",
        "previous_response_id",
        "reasoning",
        "text",
        "tool_choice",
        "tools",
    )
)


def read_count(exchange: Exchange, body: bytes) -> None:
    """Gives an exchange the request of a body, of which nothing but the length is asked; raises BadRequest.

    Fields of a create that say nothing of the input are no mistake here, and not looked at.
    """
    request = ResponsesRequest.parse(body)
    for name in tuple(request.fields):
        if name not in _FIELDS:
            request.drop(name)
    request.set("store", False)
    exchange.request = request
    exchange.counting = True
