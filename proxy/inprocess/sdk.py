"""What is returned to callers: the types of the `openai` package, made of the very JSON that clients would get.

The package is imported when the first value is made of it: most of what is done with Penstock needs none.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from ..errors import PenstockError

if TYPE_CHECKING:
    from types import ModuleType

    from openai.types.chat import ChatCompletion, ChatCompletionChunk
    from openai.types.conversations import Conversation
    from openai.types.responses import CompactedResponse, Response, ResponseItemList, ResponseStreamEvent
    from openai.types.responses.input_token_count_response import InputTokenCountResponse


class SdkMissing(PenstockError, ImportError):
    """The `openai` package, whose types are returned, is not installed."""


class Deleted(msgspec.Struct, frozen=True):
    """The note that something is gone."""

    id: str
    object: str
    deleted: bool


class _Typed(msgspec.Struct):
    type: str


_decode_typed = msgspec.json.Decoder(_Typed).decode


def require() -> ModuleType:
    """Returns the module of types; raises SdkMissing. Asked before anything is sent that costs money."""
    try:
        from openai.types import responses
    except ImportError as error:
        if error.name is not None and error.name.partition(".")[0] != "openai":
            raise
        raise SdkMissing(
            "answers are returned as types of the openai package, which is not installed: pip install 'penstock[sdk]'"
        ) from None
    return responses


def response_of(body: bytes, headers: Mapping[str, str] | None = None) -> Response:
    """Returns a Response. Its `_request_id` is as the SDK has it, its `_headers` are those of the answer."""
    made: Response = require().Response.construct(**msgspec.json.decode(body))
    _mark(made, headers or {})
    return made


def compacted_of(body: bytes, headers: Mapping[str, str]) -> CompactedResponse:
    """Returns a compacted conversation, marked like a Response."""
    made: CompactedResponse = require().CompactedResponse.construct(**msgspec.json.decode(body))
    _mark(made, headers)
    return made


def count_of(body: bytes, headers: Mapping[str, str]) -> InputTokenCountResponse:
    """Returns how many tokens an input is, marked like a Response."""
    require()
    from openai.types.responses.input_token_count_response import InputTokenCountResponse

    made = InputTokenCountResponse.construct(**msgspec.json.decode(body))
    _mark(made, headers)
    return made


def completion_of(body: bytes, headers: Mapping[str, str]) -> ChatCompletion:
    """Returns a chat completion, marked like a Response."""
    made: ChatCompletion = _chat_types().ChatCompletion.construct(**msgspec.json.decode(body))
    _mark(made, headers)
    return made


def chunk_of(payload: bytes) -> ChatCompletionChunk:
    """Returns one chunk of a chat completion. Hot: once a chunk. What its type does not foresee is taken as it is."""
    kind = _chat_types().ChatCompletionChunk
    try:
        made: ChatCompletionChunk = kind.model_validate_json(payload)
    except ValueError:  # pydantic's ValidationError is one
        made = kind.construct(**msgspec.json.decode(payload))
    return made


@cache
def _chat_types() -> ModuleType:
    require()
    from openai.types import chat

    return chat


def items_of(body: bytes) -> ResponseItemList:
    """Returns a page of input items."""
    made: ResponseItemList = require().ResponseItemList.construct(**msgspec.json.decode(body))
    return made


def conversation_of(body: bytes) -> Conversation:
    """Returns a conversation."""
    require()
    from openai.types.conversations import Conversation

    return Conversation.construct(**msgspec.json.decode(body))


def deleted_of(body: bytes) -> Deleted:
    """Returns the note that something is gone."""
    return msgspec.json.decode(body, type=Deleted)


def event_of(payload: bytes) -> ResponseStreamEvent:
    """Returns one event of a stream. Hot: once an event.

    What the SDK's types do not foresee is taken as it is, by the class of its type; one of an unknown type by the first
    class there is. The SDK does the same.
    """
    classes = _event_classes()
    kind = classes.get(_decode_typed(payload).type)
    if kind is not None:
        try:
            event: ResponseStreamEvent = kind.model_validate_json(payload)
            return event
        except ValueError:  # pydantic's ValidationError is one
            pass
    else:
        kind = next(iter(classes.values()))
    made: ResponseStreamEvent = kind.construct(**msgspec.json.decode(payload))
    return made


@cache
def _event_classes() -> dict[str, Any]:
    """Returns the classes of events by the type that each is of."""
    union, *_ = get_args(require().ResponseStreamEvent)
    return {get_args(kind.model_fields["type"].annotation)[0]: kind for kind in get_args(union)}


def _mark(made: Any, headers: Mapping[str, str]) -> None:
    made._request_id = headers.get("x-request-id")
    made._headers = dict(headers)
