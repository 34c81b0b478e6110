"""The calls that are awaited: they run in the caller's event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal, overload

from . import sdk
from .asked import Asked, of_body
from .outlet import Delivery
from .streams import AsyncCompletionStream, AsyncResponseStream
from .ways import CHAT

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion
    from openai.types.conversations import Conversation
    from openai.types.responses import CompactedResponse, Response, ResponseItemList
    from openai.types.responses.input_token_count_response import InputTokenCountResponse


class AsyncCalls(Asked):
    """The calls, to be awaited. Those of an API key of their own take `api_key`; all raise ExchangeError.

    Keyword arguments are the fields of the API; beside them `api_key`, `timeout` (seconds until the answer, or the
    stream, is there), `extra_headers` and `extra_body` mean what they mean to the SDK.
    """

    @overload
    async def aresponses(
        self, input: Any = None, model: str | None = None, *, stream: Literal[True], **asked: Any
    ) -> AsyncResponseStream:
        """Returns a stream of its events."""

    @overload
    async def aresponses(
        self, input: Any = None, model: str | None = None, *, stream: Literal[False] | None = None, **asked: Any
    ) -> Response:
        """Returns the response."""

    @overload
    async def aresponses(
        self, input: Any = None, model: str | None = None, *, stream: bool | None = None, **asked: Any
    ) -> Response | AsyncResponseStream:
        """Returns what `stream` says."""

    async def aresponses(
        self, input: Any = None, model: str | None = None, *, stream: bool | None = None, **asked: Any
    ) -> Response | AsyncResponseStream:
        """Asks a model for a response; returns it, or a stream of its events, when that has begun.

        A failure behind that is told in the stream, by the events `error` and `response.failed`.
        """
        sdk.require()
        call = self._call(asked, of_body(input=input, model=model, stream=stream))
        service = await self._services.here()
        if call.streams:
            inbox: asyncio.Queue[Delivery] = asyncio.Queue()
            return AsyncResponseStream(await service.open(call, inbox.put_nowait), inbox, self)
        reply = await service.create(call)
        return sdk.response_of(reply.body, reply.headers)

    @overload
    async def aget_responses(self, response_id: str, *, stream: Literal[True], **asked: Any) -> AsyncResponseStream:
        """Returns a stream of its events."""

    @overload
    async def aget_responses(self, response_id: str, *, stream: Literal[False] | None = None, **asked: Any) -> Response:
        """Returns the response."""

    @overload
    async def aget_responses(
        self, response_id: str, *, stream: bool | None = None, **asked: Any
    ) -> Response | AsyncResponseStream:
        """Returns what `stream` says."""

    async def aget_responses(
        self, response_id: str, *, stream: bool | None = None, **asked: Any
    ) -> Response | AsyncResponseStream:
        """Returns a response in its present state, or its stream once more, from behind `starting_after` on."""
        sdk.require()
        call = self._call(asked)
        service = await self._services.here()
        if stream:
            inbox: asyncio.Queue[Delivery] = asyncio.Queue()
            return AsyncResponseStream(await service.follow(response_id, call, inbox.put_nowait), inbox, self)
        return sdk.response_of(await service.retrieve(response_id, call))

    async def acancel_responses(self, response_id: str, **asked: Any) -> Response:
        """Ends a response that is being made, and closes its upstream; returns it as it is then."""
        sdk.require()
        call = self._call(asked)
        return sdk.response_of(await (await self._services.here()).cancel(response_id, call))

    async def adelete_responses(self, response_id: str, **asked: Any) -> sdk.Deleted:
        """Forgets a response, after ending it if need be."""
        call = self._call(asked)
        return sdk.deleted_of(await (await self._services.here()).delete(response_id, call))

    async def alist_input_items(self, response_id: str, **asked: Any) -> ResponseItemList:
        """Returns a page of a response's input; `limit`, `order`, `after` and `include` are as in the API."""
        sdk.require()
        call = self._call(asked)
        return sdk.items_of(await (await self._services.here()).input_items(response_id, call))

    async def acompact_responses(self, input: Any = None, model: str | None = None, **asked: Any) -> CompactedResponse:
        """Returns a conversation made short: items to go on with in its place."""
        sdk.require()
        call = self._call(asked, of_body(input=input, model=model))
        reply = await (await self._services.here()).compact(call)
        return sdk.compacted_of(reply.body, reply.headers)

    @overload
    async def acompletion(
        self, model: str | None = None, messages: Any = None, *, stream: Literal[True], **asked: Any
    ) -> AsyncCompletionStream:
        """Returns a stream of its chunks."""

    @overload
    async def acompletion(
        self, model: str | None = None, messages: Any = None, *, stream: Literal[False] | None = None, **asked: Any
    ) -> ChatCompletion:
        """Returns the completion."""

    @overload
    async def acompletion(
        self, model: str | None = None, messages: Any = None, *, stream: bool | None = None, **asked: Any
    ) -> ChatCompletion | AsyncCompletionStream:
        """Returns what `stream` says."""

    async def acompletion(
        self, model: str | None = None, messages: Any = None, *, stream: bool | None = None, **asked: Any
    ) -> ChatCompletion | AsyncCompletionStream:
        """Asks a model for a chat completion; returns it, or a stream of its chunks, when that has begun.

        A failure behind that is raised where the chunks end.
        """
        sdk.require()
        call = self._call(asked, of_body(model=model, messages=messages, stream=stream))
        service = await self._services.here()
        if call.streams:
            inbox: asyncio.Queue[Delivery] = asyncio.Queue()
            return AsyncCompletionStream(await service.open(call, inbox.put_nowait, CHAT), inbox, self)
        reply = await service.create(call, CHAT)
        return sdk.completion_of(reply.body, reply.headers)

    async def ainput_tokens(self, input: Any = None, model: str | None = None, **asked: Any) -> InputTokenCountResponse:
        """Returns how many tokens an input is: counted by the model's own provider where that can, else estimated."""
        sdk.require()
        call = self._call(asked, of_body(input=input, model=model))
        reply = await (await self._services.here()).count(call)
        return sdk.count_of(reply.body, reply.headers)

    async def acreate_conversation(self, **asked: Any) -> Conversation:
        """Begins a conversation, with `items` and `metadata` if they are given."""
        sdk.require()
        call = self._call(asked)
        service = await self._services.here()
        body = call.body()
        return sdk.conversation_of(
            await service.conversation(call, "POST", lambda every, owner: every.create(owner, body))
        )

    async def alist_conversation_items(self, conversation_id: str, **asked: Any) -> ResponseItemList:
        """Returns a page of a conversation's items; `limit`, `order`, `after` and `include` are as in the API."""
        sdk.require()
        call = self._call(asked)
        service = await self._services.here()
        query = call.query()
        return sdk.items_of(
            await service.conversation(
                call, "GET", lambda every, owner: every.list_items(conversation_id, owner, query)
            )
        )

    async def adelete_conversation(self, conversation_id: str, **asked: Any) -> sdk.Deleted:
        """Forgets a conversation and its items."""
        call = self._call(asked)
        service = await self._services.here()
        return sdk.deleted_of(
            await service.conversation(call, "DELETE", lambda every, owner: every.delete(conversation_id, owner))
        )

    aget = aget_responses
    acancel = acancel_responses
    adelete = adelete_responses

    async def aclose(self) -> None:
        """Closes what was opened in this event loop."""
        await self._services.close_here()
