"""Puts summaries in the place of compaction items, and of what they stand for."""

from __future__ import annotations

from ..api.raw import Raw
from ..api.responses.items import AdditionalTools, Compaction, ConfigurationUpdate, Item, Message
from ..api.responses.request import ResponsesRequest
from ..sealing import Sealing
from .summary import Summary, opened


def unfold(request: ResponsesRequest, sealing: Sealing, earlier: int = 0) -> None:
    """Puts summaries of ours in their place in the input; compactions made elsewhere stay as they are.

    The first `earlier` items come from the store. What stands in front of a compaction that was made within a response
    is left out, but for what instructs the model: in kept history always, in what a client sends only where nobody
    but Penstock was to prune it (see `Kind`). Raises BadRequest for a compaction that was changed.
    """
    items = request.items
    if Compaction not in map(type, items):  # as nearly always, and asked of them all
        return
    found = {
        at: summary
        for at, item in enumerate(items)
        if isinstance(item, Compaction)
        and (summary := opened(item.encrypted_content, sealing, _param(at, earlier))) is not None
    }
    if not found:
        return
    begin = max((at for at, summary in found.items() if _supersedes(summary, kept=at < earlier)), default=0)
    unfolded: list[Raw] = []
    for at, raw in enumerate(request.raw_items):
        if at in found and at >= begin:
            unfolded += found[at].items()
        elif at >= begin or instructs(items[at]):
            unfolded.append(raw)
    request.put_items(unfolded)


def instructs(item: Item) -> bool:
    """Tells whether an item is about how to answer, and not a part of the conversation."""
    if isinstance(item, Message):
        return item.role in ("system", "developer")
    return isinstance(item, (AdditionalTools, ConfigurationUpdate))


def _supersedes(summary: Summary, *, kept: bool) -> bool:
    return summary.kind == "threshold" or (summary.kind == "trigger" and kept)


def _param(at: int, earlier: int) -> str:
    """Returns where the client finds the item: in its input, or in the response that it continues."""
    return f"input[{at - earlier}].encrypted_content" if at >= earlier else "previous_response_id"
