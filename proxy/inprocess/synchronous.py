"""The calls that wait: they run in the event loop of the process's own thread."""

from __future__ import annotations

import queue
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from . import sdk
from .asked import Asked, of_body
from .loop_thread import LoopThread, loop_thread
from .outlet import Delivery
from .service import OpenStream, Service
from .streams import CompletionStream, ResponseStream
from .ways import CHAT

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion
    from openai.types.conversations import Conversation
    from openai.types.responses import CompactedResponse, Response, ResponseItemList
    from openai.types.responses.input_token_count_response import InputTokenCountResponse

Result = TypeVar("Result")


class SyncCalls(Asked):
    """The same calls for code without an event loop, from any thread; each is what its twin with an `a` is."""

    @overload
    def responses(
        self, input: Any = None, model: str | None = None, *, stream: Literal[True], **asked: Any
    ) -> ResponseStream:
        """Returns a stream of its events."""

    @overload
    def responses(
        self, input: Any = None, model: str | None = None, *, stream: Literal[False] | None = None, **asked: Any
    ) -> Response:
        """Returns the response."""

    @overload
    def responses(
        self, input: Any = None, model: str | None = None, *, stream: bool | None = None, **asked: Any
    ) -> Response | ResponseStream:
        """Returns what `stream` says."""

    def responses(
        self, input: Any = None, model: str | None = None, *, stream: bool | None = None, **asked: Any
    ) -> Response | ResponseStream:
        """Asks a model for a response; returns it, or a stream of its events, when that has begun.

        A failure behind that is told in the stream, by the events `error` and `response.failed`.
        """
        sdk.require()
        call = self._call(asked, of_body(input=input, model=model, stream=stream))
        if call.streams:
            return ResponseStream(*self._opened(lambda service, deliver: service.open(call, deliver)), self)
        reply = self._wait(lambda service: service.create(call))
        return sdk.response_of(reply.body, reply.headers)

    @overload
    def get_responses(self, response_id: str, *, stream: Literal[True], **asked: Any) -> ResponseStream:
        """Returns a stream of its events."""

    @overload
    def get_responses(self, response_id: str, *, stream: Literal[False] | None = None, **asked: Any) -> Response:
        """Returns the response."""

    @overload
    def get_responses(self, response_id: str, *, stream: bool | None = None, **asked: Any) -> Response | ResponseStream:
        """Returns what `stream` says."""

    def get_responses(self, response_id: str, *, stream: bool | None = None, **asked: Any) -> Response | ResponseStream:
        """Returns a response in its present state, or its stream once more, from behind `starting_after` on."""
        sdk.require()
        call = self._call(asked)
        if stream:
            opened = self._opened(lambda service, deliver: service.follow(response_id, call, deliver))
            return ResponseStream(*opened, self)
        return sdk.response_of(self._wait(lambda service: service.retrieve(response_id, call)))

    def cancel_responses(self, response_id: str, **asked: Any) -> Response:
        """Ends a response that is being made, and closes its upstream; returns it as it is then."""
        sdk.require()
        call = self._call(asked)
        return sdk.response_of(self._wait(lambda service: service.cancel(response_id, call)))

    def delete_responses(self, response_id: str, **asked: Any) -> sdk.Deleted:
        """Forgets a response, after ending it if need be."""
        call = self._call(asked)
        return sdk.deleted_of(self._wait(lambda service: service.delete(response_id, call)))

    def list_input_items(self, response_id: str, **asked: Any) -> ResponseItemList:
        """Returns a page of a response's input; `limit`, `order`, `after` and `include` are as in the API."""
        sdk.require()
        call = self._call(asked)
        return sdk.items_of(self._wait(lambda service: service.input_items(response_id, call)))

    def compact_responses(self, input: Any = None, model: str | None = None, **asked: Any) -> CompactedResponse:
        """Returns a conversation made short: items to go on with in its place."""
        sdk.require()
        call = self._call(asked, of_body(input=input, model=model))
        reply = self._wait(lambda service: service.compact(call))
        return sdk.compacted_of(reply.body, reply.headers)

    @overload
    def completion(
        self, model: str | None = None, messages: Any = None, *, stream: Literal[True], **asked: Any
    ) -> CompletionStream:
        """Returns a stream of its chunks."""

    @overload
    def completion(
        self, model: str | None = None, messages: Any = None, *, stream: Literal[False] | None = None, **asked: Any
    ) -> ChatCompletion:
        """Returns the completion."""

    @overload
    def completion(
        self, model: str | None = None, messages: Any = None, *, stream: bool | None = None, **asked: Any
    ) -> ChatCompletion | CompletionStream:
        """Returns what `stream` says."""

    def completion(
        self, model: str | None = None, messages: Any = None, *, stream: bool | None = None, **asked: Any
    ) -> ChatCompletion | CompletionStream:
        """Asks a model for a chat completion; returns it, or a stream of its chunks, when that has begun.

        A failure behind that is raised where the chunks end.
        """
        sdk.require()
        call = self._call(asked, of_body(model=model, messages=messages, stream=stream))
        if call.streams:
            return CompletionStream(*self._opened(lambda service, deliver: service.open(call, deliver, CHAT)), self)
        reply = self._wait(lambda service: service.create(call, CHAT))
        return sdk.completion_of(reply.body, reply.headers)

    def input_tokens(self, input: Any = None, model: str | None = None, **asked: Any) -> InputTokenCountResponse:
        """Returns how many tokens an input is: counted by the model's own provider where that can, else estimated."""
        sdk.require()
        call = self._call(asked, of_body(input=input, model=model))
        reply = self._wait(lambda service: service.count(call))
        return sdk.count_of(reply.body, reply.headers)

    def create_conversation(self, **asked: Any) -> Conversation:
        """Begins a conversation, with `items` and `metadata` if they are given."""
        sdk.require()
        call = self._call(asked)
        body = call.body()
        return sdk.conversation_of(
            self._wait(
                lambda service: service.conversation(call, "POST", lambda every, owner: every.create(owner, body))
            )
        )

    def list_conversation_items(self, conversation_id: str, **asked: Any) -> ResponseItemList:
        """Returns a page of a conversation's items; `limit`, `order`, `after` and `include` are as in the API."""
        sdk.require()
        call = self._call(asked)
        query = call.query()
        return sdk.items_of(
            self._wait(
                lambda service: service.conversation(
                    call, "GET", lambda every, owner: every.list_items(conversation_id, owner, query)
                )
            )
        )

    def delete_conversation(self, conversation_id: str, **asked: Any) -> sdk.Deleted:
        """Forgets a conversation and its items."""
        call = self._call(asked)
        return sdk.deleted_of(
            self._wait(
                lambda service: service.conversation(
                    call, "DELETE", lambda every, owner: every.delete(conversation_id, owner)
                )
            )
        )

    get = get_responses
    cancel = cancel_responses
    delete = delete_responses

    def close(self) -> None:
        """Closes what was opened by calls that wait."""
        self._services.close_in_thread()

    def _wait(self, work: Callable[[Service], Awaitable[Result]]) -> Result:
        return loop_thread().run(self._in_loop(work))

    async def _in_loop(self, work: Callable[[Service], Awaitable[Result]]) -> Result:
        return await work(await self._services.here())

    def _opened(
        self, work: Callable[[Service, Callable[[Delivery], None]], Awaitable[OpenStream]]
    ) -> tuple[OpenStream, queue.SimpleQueue[Delivery], LoopThread]:
        inbox: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        thread: LoopThread = loop_thread()
        opened = thread.run(self._in_loop(lambda service: work(service, inbox.put)))
        return opened, inbox, thread
