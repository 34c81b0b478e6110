"""Turns the parts of one answer into neutral events, in their order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ...api.raw import Raw, given
from ...errors import UpstreamGarbled
from ...events import Event, OutputItem, ReasoningDelta, TextDelta, ToolCallDelta, ToolCallStart
from ..chat.surrogates import load
from .chunk import Blob, CodeExecutionResult, ExecutableCode, FunctionCall, Part
from .partial_args import PartialArgs
from .state import image_key, state_of

_MAX_CALL_ID = 64
_STATUS = {"OUTCOME_FAILED": "failed", "OUTCOME_DEADLINE_EXCEEDED": "incomplete"}

Logprobs = list[dict[str, Any]] | None


class Parts:
    """Takes parts; `said` is True once there was something for the client in them.

    `made_by` is noted on what goes back to the upstream. `make_call_id` names calls without an id of their own. `open`
    are the arguments of a call that come in pieces, until it ends; `at_once` tells them as they come. `wrong` says what
    fails the answer. `run` counts the characters of the text that is being told: signatures say where they stand in it.
    """

    __slots__ = ("_at_once", "_code", "_ids", "_made_by", "_make_call_id", "_run", "open", "said", "texts", "wrong")

    def __init__(self, made_by: str, make_call_id: Callable[[], str], *, at_once: bool = False) -> None:
        self._at_once = at_once
        self._made_by = made_by
        self._make_call_id = make_call_id
        self._run = 0
        self._ids: set[str] = set()
        self._code: list[ExecutableCode] = []  # code that nothing has come of yet
        self.open: PartialArgs | None = None
        self.wrong: str | None = None
        self.said = False
        self.texts: list[str] = []

    def take(self, part: Part, logprobs: Logprobs, events: list[Event]) -> None:
        """Takes one part. Hot: once a chunk."""
        text, signature = part.text, part.thought_signature
        if text is not None:
            if text:
                self._text(part, text, logprobs, events)
            if signature:
                self._sign_text(part, text, signature, events)
        elif part.function_call is not None:
            self._call(part.function_call, signature, events)
        elif part.executable_code is not None:
            self._flow_ends(events)
            self._code.append(part.executable_code)
            self._give_back({"executableCode": msgspec.to_builtins(part.executable_code)}, signature, events)
        elif part.code_execution_result is not None:
            self._flow_ends(events)
            self._ran(part.code_execution_result, signature, events)
        elif part.inline_data is not None:
            self._blob(part.inline_data, part, signature, events)
        elif given(part.tool_call):
            self._hosted("toolCall", part.tool_call, signature, events)
        elif given(part.tool_response):
            self._hosted("toolResponse", part.tool_response, signature, events)
        elif signature:
            events.append(state_of(signature, self._made_by, "text", range=[self._run, self._run]))

    def heard(self, text: str) -> None:
        """Takes text that goes on from text."""
        self._run += len(text)
        self.texts.append(text)

    def finish(self, events: list[Event]) -> None:
        """Says that no more parts come, and that the answer is whole."""
        self._end_call(events)
        while self._code:
            self._show_code(self._code.pop(0), None, events)

    def _text(self, part: Part, text: str, logprobs: Logprobs, events: list[Event]) -> None:
        if self.open is not None or self._code:
            self.finish(events)
        if part.thought:
            self._run = 0
            events.append(ReasoningDelta(text, summary=True))
        else:
            self.said = True
            self._run += len(text)
            self.texts.append(text)
            events.append(TextDelta(text, logprobs))

    def _sign_text(self, part: Part, text: str, signature: str, events: list[Event]) -> None:
        if part.thought:
            events.append(state_of(signature, self._made_by, "thought", text=text))
        else:
            events.append(state_of(signature, self._made_by, "text", range=[self._run - len(text), self._run]))

    def _flow_ends(self, events: list[Event]) -> None:
        """Says that something else than text comes."""
        self._run = 0
        self._end_call(events)

    # --- calls

    def _call(self, call: FunctionCall, signature: str | None, events: list[Event]) -> None:
        """Takes a call, or a piece of one: a piece has no name."""
        if not call.name:
            if self.open is not None:
                self._go_on(call, events)
            elif given(call.args) or call.partial_args:
                self.wrong = "The upstream sent a tool call without a name."
            return
        self.finish(events)
        self._run = 0
        self.said = True
        call_id = self._id_for(call.id)
        if signature:
            events.append(state_of(signature, self._made_by, "call", id=call_id))
        events.append(ToolCallStart(len(self._ids), call_id, call.name))
        if call.will_continue or call.partial_args:
            self.open = PartialArgs(at_once=self._at_once)
            self._go_on(call, events)
        else:
            events.append(ToolCallDelta(len(self._ids), _arguments(call.args)))

    def _go_on(self, call: FunctionCall, events: list[Event]) -> None:
        assert self.open is not None
        if call.partial_args and (told := self.open.take(call.partial_args)):
            events.append(ToolCallDelta(len(self._ids), told))
        if not call.will_continue:
            self._end_call(events)

    def _end_call(self, events: list[Event]) -> None:
        """Tells the rest of the arguments that came in pieces."""
        if self.open is not None:
            rest = self.open.rest()
            if rest is None:
                self.wrong = "The upstream changed the arguments of a tool call after they had been sent."
            elif rest:
                events.append(ToolCallDelta(len(self._ids), rest))
            self.open = None

    def _id_for(self, id: str | None) -> str:
        """Returns the id of a call, another one where it has none that a client could name it by."""
        while not id or len(id) > _MAX_CALL_ID or id in self._ids:
            id = self._make_call_id()
        self._ids.add(id)
        return id

    # --- what the upstream ran and made itself

    def _ran(self, result: CodeExecutionResult, signature: str | None, events: list[Event]) -> None:
        """Takes what came of code: of that with the same id, else of the first."""
        code = next((one for one in self._code if result.id and one.id == result.id), None)
        if code is None:
            code = self._code[0] if self._code else ExecutableCode()
        if self._code:
            self._code.remove(code)
        self._show_code(code, result, events)
        self._give_back({"codeExecutionResult": msgspec.to_builtins(result)}, signature, events)

    def _show_code(self, code: ExecutableCode, result: CodeExecutionResult | None, events: list[Event]) -> None:
        self.said = True
        item: dict[str, Any] = {
            "type": "code_interpreter_call",
            "status": "completed" if result is None else _STATUS.get(result.outcome or "", "completed"),
            "code": code.code,
            "container_id": code.id or "",
            "outputs": None if result is None else [{"type": "logs", "logs": result.output or ""}],
        }
        events.append(OutputItem(item))

    def _hosted(self, name: str, raw: Raw, signature: str | None, events: list[Event]) -> None:
        """Takes the call of a tool of Google's, of which searches are shown, or what came of it."""
        value = load(bytes(raw))
        if not isinstance(value, dict):
            return
        self._flow_ends(events)
        kind, arguments = value.get("toolType"), value.get("args")
        if name == "toolCall" and isinstance(kind, str) and "SEARCH" in kind:
            self.said = True
            events.append(OutputItem(_search(arguments if isinstance(arguments, dict) else {})))
        self._give_back({name: value}, signature, events)

    def _give_back(self, part: dict[str, Any], signature: str | None, events: list[Event]) -> None:
        """Keeps a part that no item could give back to the upstream."""
        ((name, fields),) = part.items()
        whole: dict[str, Any] = {name: {key: value for key, value in fields.items() if value is not None}}
        if signature:
            whole["thoughtSignature"] = signature
        events.append(state_of(signature or "", self._made_by, "part", part=whole))

    def _blob(self, blob: Blob, part: Part, signature: str | None, events: list[Event]) -> None:
        """Takes an image; sketches of a thought, and sounds, are nothing that an answer could hold."""
        if part.thought or not blob.data or not blob.mime_type.startswith("image/"):
            return
        self.finish(events)
        self._run = 0
        self.said = True
        if signature:
            events.append(state_of(signature, self._made_by, "image", id=image_key(blob.data)))
        item = {
            "type": "image_generation_call",
            "status": "completed",
            "result": blob.data,
            "output_format": blob.mime_type.removeprefix("image/"),
        }
        events.append(OutputItem(item))

    def error(self) -> UpstreamGarbled | None:
        """Returns what is wrong with the answer as a whole, if anything is."""
        return None if self.wrong is None else UpstreamGarbled(self.wrong)


def _search(arguments: dict[str, Any]) -> dict[str, Any]:
    """Returns the item of a search."""
    queries = arguments.get("queries")
    said = [one for one in queries if isinstance(one, str)] if isinstance(queries, list) else []
    action = {"type": "search", "query": said[0] if said else "", "queries": said}
    return {"type": "web_search_call", "status": "completed", "action": action}


def _arguments(args: Raw) -> str:
    """Returns the arguments of a call as compact JSON; a call without any has the empty object."""
    if not given(args):
        return "{}"
    try:
        return msgspec.json.format(bytes(args), indent=-1).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return bytes(args).decode("utf-8", "replace")
