"""Refuses what is not served yet, and what refers to responses where none are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import BadRequest, NotFound
from .. import invalid
from .conversation import conversation_id, conversation_not_found
from .fields import FIELDS, LIMIT_ALIASES
from .items import CompactionTrigger, ItemReference

if TYPE_CHECKING:
    from .request import ResponsesRequest


_OF_ITSELF = frozenset((*FIELDS, *LIMIT_ALIASES)) - {"conversation", "previous_response_id"}


def refuse_unserved(request: ResponsesRequest) -> None:
    """Raises for two histories at once, and for a compaction that is asked for in the middle."""
    previous = request.value("previous_response_id")
    conversation = request.value("conversation")
    if previous is not None and conversation is not None:
        raise BadRequest(
            "Mutually exclusive parameters. Ensure you are only providing one of: 'previous_response_id' or "
            "'conversation'.",
            param="previous_response_id",
            code="mutually_exclusive_parameters",
        )
    kinds = [type(item) for item in request.items[:-1]]
    if CompactionTrigger in kinds:
        message = "A 'compaction_trigger' compacts all that stands before it: it must be the last item of the input."
        raise invalid.invalid(f"input[{kinds.index(CompactionTrigger)}]", message)


def refers_to_nothing(request: ResponsesRequest) -> bool:
    """Tells whether it is sure at first sight that a request refers to nothing that is kept."""
    return request.says_only(_OF_ITSELF)


def refuse_references(request: ResponsesRequest) -> None:
    """Raises for what refers to a kept response, conversation or item: there is none."""
    if refers_to_nothing(request):
        return
    conversation = conversation_id(request)
    if conversation is not None:
        raise conversation_not_found(conversation, "conversation")
    previous = request.value("previous_response_id")
    if previous is not None:
        raise previous_not_found(previous)
    for index, item in enumerate(request.items):
        if isinstance(item, ItemReference):
            raise item_not_found(
                item.id,
                f"input[{index}]",
                "Items are not kept here: send the item itself instead of a reference, for instance by setting "
                "'store' to false in your client.",
            )


def previous_not_found(id: str) -> BadRequest:
    """The response to continue is not there, or not the caller's."""
    return BadRequest(
        f"Previous response with id '{id}' not found.", param="previous_response_id", code="previous_response_not_found"
    )


def item_not_found(id: str, path: str, advice: str) -> NotFound:
    """An item that is referred to is not there, or not the caller's."""
    return NotFound(f"Item with id '{id}' not found. {advice}", param=path)
