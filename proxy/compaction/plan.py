"""Does what a request says of compaction, before any upstream is asked for an answer.

- `compaction_trigger`, the last item of the input: the answer is a summary of the input, as one `compaction` item.
- `context_management` with a `compact_threshold` that the input is over, by the local estimate: all but the last
  message of the user and the last step of the model is summarised first, in an exchange of its own; the answer is made
  from the summary and what was kept, and the `compaction` item stands in front of it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from ..api.raw import Raw
from ..api.responses.items import CompactionTrigger
from ..api.responses.request import ResponsesRequest
from ..api.responses.steps import steps_of
from ..errors import BadRequest
from ..exchange import Exchange
from ..reply import Reply
from ..request import ModelRequest
from ..sealing import Sealing
from ..tokens import item_tokens, request_tokens
from .filters import Fold, Preface
from .prompt import summarising
from .summary import Kind, opened

if TYPE_CHECKING:
    from ..stage import ResponseFilter

Ask = Callable[[Exchange], Awaitable[Reply | None]]
"""Runs an exchange through the whole pipeline."""

TRIGGER = Raw(b'{"type":"compaction_trigger"}')
"""The item that asks for a compaction."""

_log = logging.getLogger("penstock")
_OTHERS = ResponsesRequest.known - {"context_management"}
_MARK = "compaction"
_PATH = "/v1/responses/compact"
_WORTH = 4  # a compaction must make at least this part of the threshold short
_NOT_ITS_OWN = (
    "background",
    "context_management",
    "conversation",
    "previous_response_id",
    "stream",
    "stream_options",
)
"""Fields that say something of the exchange that a compaction is part of."""


class Wanted(msgspec.Struct):
    """What an exchange that is a compaction is for. `window` is what was to be compacted, once that is known."""

    kind: Kind
    kept: list[Raw] = []
    window: ResponsesRequest | None = None


def want(exchange: Exchange, wanted: Wanted) -> None:
    """Says what an exchange's compaction is for; without that it is what its client triggered."""
    exchange.marks[_MARK] = wanted


def may_be_compacted(request: ModelRequest) -> bool:
    """Tells whether a request may say something of compaction; messages of text alone never do."""
    if not isinstance(request, ResponsesRequest):
        return False
    return not request.says_only(_OTHERS)


async def compacted(exchange: Exchange, sealing: Sealing, ask: Ask) -> list[ResponseFilter]:
    """Changes the exchange's request as it says of compaction; returns the filters that its answer needs.

    Raises BadRequest when there is nothing to make short. A compaction that fails because the threshold was crossed
    does no harm: the answer is made without it.
    """
    request = exchange.request
    if not isinstance(request, ResponsesRequest):
        return []
    if request.items and isinstance(request.items[-1], CompactionTrigger):
        return [_triggered(exchange, request, sealing)]
    threshold = _threshold(request)
    request.drop("context_management")  # an upstream that knows the field must not do it once more
    if threshold is None or request_tokens(request) <= threshold:
        return []
    kept = _kept(request, threshold)
    if not kept:
        return []
    item = await _summary_of(exchange, request, kept, ask)
    if item is None or (summary := opened(item["encrypted_content"], sealing, "input")) is None:
        exchange.ignore("context_management")
        return []
    fixed = sorted(at for step in steps_of(request.items) if step.kind == "fixed" for at in step.at)
    request.put_items([*(request.raw_items[at] for at in fixed), *summary.items()])
    return [Preface(item)]


def _triggered(exchange: Exchange, request: ResponsesRequest, sealing: Sealing) -> Fold:
    wanted: Wanted = exchange.marks.get(_MARK) or Wanted("trigger")
    wanted.window = request
    if not any(step.kind != "fixed" for step in steps_of(request.items)):
        raise BadRequest("There is nothing to compact in the input.", param="input", code="invalid_value")
    exchange.request = summarising(request)
    return Fold(sealing, wanted.kind, wanted.kept)


def _threshold(request: ResponsesRequest) -> int | None:
    entries = request.value("context_management") or ()
    return min((one.compact_threshold for one in entries if one.compact_threshold is not None), default=None)


def _kept(request: ResponsesRequest, threshold: int) -> list[int]:
    """Returns the items that stay as they are: the user's last message and the last step.

    Empty when the rest is too short for a summary of it to help.
    """
    items = request.items
    steps = [step for step in steps_of(items) if step.kind != "fixed"]
    users = [step for step in steps if step.kind == "user"]
    kept = sorted({at for step in (*users[-1:], *steps[-1:]) for at in step.at})
    rest = sum(item_tokens(items[at]) for step in steps for at in step.at if at not in kept)
    return kept if rest * _WORTH >= threshold else []


async def _summary_of(
    exchange: Exchange, request: ResponsesRequest, kept: list[int], ask: Ask
) -> dict[str, Any] | None:
    """Returns the compaction item for all items but those that are kept; None when it could not be made."""
    asking = request.copy()
    for name in _NOT_ITS_OWN:
        asking.drop(name)
    asking.set("store", False)
    raws = request.raw_items
    asking.put_items([*(raw for at, raw in enumerate(raws) if at not in kept), TRIGGER])
    client = msgspec.structs.replace(exchange.client, method="POST", path=_PATH)
    inner = Exchange(f"{exchange.id}-compaction", client, asking)
    want(inner, Wanted("threshold", [raws[at] for at in kept]))
    reply = await ask(inner)
    response = msgspec.json.decode(reply.body) if reply is not None and reply.status == 200 else {}
    if response.get("status") != "completed" or not response["output"]:
        _log.warning("exchange %s goes on without a compaction: %s", exchange.id, inner.error or "it was cut")
        return None
    item: dict[str, Any] = response["output"][0]
    return item
