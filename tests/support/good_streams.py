"""Streams that are right by the wire reference, written down event by event, for tests of readers and of the judge.

They show what no recording or example shows: refusals, summaries, citations, calls that overlap, failures in each
state.
"""

from __future__ import annotations

import copy
from typing import Any

from tests.support.grammar_framing import Event

TOKEN = {"token": "Hi", "bytes": [72, 105], "logprob": -0.5}
LOGPROBS = [{**TOKEN, "top_logprobs": [TOKEN, {"token": "Yo", "bytes": [89, 111], "logprob": -1.5}]}]
CITATION = {"type": "url_citation", "url": "https://example.org/a", "title": "A", "start_index": 0, "end_index": 2}
USAGE = {
    "input_tokens": 3, "input_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 0}, "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 8,
}  # fmt: skip
TOOL = {"type": "function", "name": "get", "description": None, "parameters": {"type": "object"}, "strict": None}


def blank_response(**changes: Any) -> dict[str, Any]:
    """Returns a Response in progress with every field of section 3.1."""
    return {
        "id": "resp_000000000000000000000001", "object": "response", "created_at": 1767225600, "status": "in_progress",
        "background": False, "completed_at": None, "error": None, "frequency_penalty": 0.0, "incomplete_details": None,
        "instructions": None, "max_output_tokens": None, "max_tool_calls": None, "metadata": {}, "model": "m",
        "output": [], "parallel_tool_calls": True, "presence_penalty": 0.0, "previous_response_id": None,
        "prompt_cache_key": None, "reasoning": {"effort": None, "summary": None}, "safety_identifier": None,
        "service_tier": "default", "store": True, "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"}, "tool_choice": "auto", "tools": [TOOL],
        "top_logprobs": 0, "top_p": 1.0, "truncation": "disabled", "usage": None, "user": None,
        **changes,
    }  # fmt: skip


class Script:
    """Writes one stream. Numbers, indexes and final items are filled in as the script goes."""

    def __init__(self, *, queued: bool = False, begun: bool = True) -> None:
        self.events: list[Event] = []
        self.output: list[dict[str, Any]] = []
        self.response = blank_response(background=queued)
        if queued:
            self.response["status"] = "queued"
            self._snapshot("created")
            self._snapshot("queued")
        else:
            self._snapshot("created")
        if begun:
            self.response["status"] = "in_progress"
            self._snapshot("in_progress")

    def say(self, kind: str, **fields: Any) -> None:
        """Adds one event; `kind` without `response.` but for `error`."""
        name = kind if kind == "error" else f"response.{kind}"
        self.events.append({"type": name, "sequence_number": len(self.events), **copy.deepcopy(fields)})

    def _snapshot(self, kind: str) -> None:
        self.say(kind, response=self.response)

    def add(self, kind: str, prefix: str, **fields: Any) -> int:
        """Opens an item; returns its output_index."""
        index = len(self.output)
        self.output.append({"id": f"{prefix}_{index}", "type": kind, "status": "in_progress", **fields})
        self.say("output_item.added", output_index=index, item=self.output[index])
        return index

    def done(self, index: int, status: str = "completed") -> None:
        """Closes an item."""
        self.output[index]["status"] = status
        self.say("output_item.done", output_index=index, item=self.output[index])

    def _place(self, index: int, **more: int) -> dict[str, Any]:
        return {"item_id": self.output[index]["id"], "output_index": index, **more}

    def part(self, index: int, part: dict[str, Any], pieces: list[str], *, closed: bool = True) -> None:
        """Writes a content part of a message or of a reasoning item, with its events."""
        content = self.output[index]["content"]
        place = self._place(index, content_index=len(content))
        key = "refusal" if part["type"] == "refusal" else "text"
        self.say("content_part.added", **place, part={**part, key: ""})
        content.append({**part, key: "".join(pieces)})
        more: dict[str, Any] = {"logprobs": []} if part["type"] == "output_text" else {}
        for piece in pieces:
            self.say(f"{part['type']}.delta", **place, delta=piece, **more)
        if closed:
            self.say(f"{part['type']}.done", **place, **{key: "".join(pieces)}, **more)
            self.say("content_part.done", **place, part=content[-1])

    def cited_part(self, index: int) -> None:
        """Writes a text part with logprobs and two citations."""
        place = self._place(index, content_index=0)
        part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        self.say("content_part.added", **place, part=part)
        self.say("output_text.delta", **place, delta="Hi", logprobs=LOGPROBS)
        for number in range(2):
            self.say("output_text.annotation.added", **place, annotation_index=number, annotation=CITATION)
        self.say("output_text.delta", **place, delta=" you", logprobs=[])
        self.say("output_text.done", **place, text="Hi you", logprobs=LOGPROBS)
        full = {**part, "text": "Hi you", "annotations": [CITATION, CITATION], "logprobs": LOGPROBS}
        self.say("content_part.done", **place, part=full)
        self.output[index]["content"].append(full)

    def summary(self, index: int, pieces: list[str]) -> None:
        """Writes a summary part of a reasoning item."""
        parts = self.output[index]["summary"]
        place = self._place(index, summary_index=len(parts))
        self.say("reasoning_summary_part.added", **place, part={"type": "summary_text", "text": ""})
        for piece in pieces:
            self.say("reasoning_summary_text.delta", **place, delta=piece)
        parts.append({"type": "summary_text", "text": "".join(pieces)})
        self.say("reasoning_summary_text.done", **place, text=parts[-1]["text"])
        self.say("reasoning_summary_part.done", **place, part=parts[-1])

    def call(self, name: str, *, custom: bool = False) -> int:
        """Opens a function call, or a custom tool call."""
        call_id = f"call_{len(self.output)}"
        if custom:
            return self.add("custom_tool_call", "ctc", call_id=call_id, name=name, input="")
        return self.add("function_call", "fc", call_id=call_id, name=name, arguments="")

    def argue(self, index: int, piece: str) -> None:
        """Writes a piece of a call's arguments or input."""
        item = self.output[index]
        key = "input" if "input" in item else "arguments"
        item[key] += piece
        event = "custom_tool_call_input" if key == "input" else "function_call_arguments"
        self.say(f"{event}.delta", **self._place(index), delta=piece)

    def close_call(self, index: int, status: str = "completed") -> None:
        """Closes a call."""
        item = self.output[index]
        if "input" in item:
            self.say("custom_tool_call_input.done", **self._place(index), input=item["input"])
        else:
            said = {"arguments": item["arguments"], "name": item["name"]}
            self.say("function_call_arguments.done", **self._place(index), **said)
        self.done(index, status)

    def complete(self) -> list[Event]:
        """Ends well."""
        return self._end("completed", completed_at=1767225602, usage=USAGE)

    def cut(self, reason: str = "max_output_tokens") -> list[Event]:
        """Ends as incomplete."""
        return self._end("incomplete", incomplete_details={"reason": reason}, usage=USAGE)

    def fail(self) -> list[Event]:
        """Ends in a failure; items still in progress become incomplete."""
        flat = {"code": "server_error", "message": "it broke", "param": None}
        self.say("error", error={"type": "server_error", **flat}, **flat)
        for item in self.output:
            if item["status"] == "in_progress":
                item["status"] = "incomplete"
        return self._end("failed", error={"code": "server_error", "message": "it broke"})

    def cancel(self) -> list[Event]:
        """Ends because nobody wants the rest; items still in progress stay so."""
        return self._end("incomplete", status="cancelled")

    def _end(self, kind: str, **changes: Any) -> list[Event]:
        self.response.update({"status": kind, **changes}, output=self.output)
        self._snapshot(kind)
        return self.events


TEXT = {"type": "output_text", "annotations": [], "logprobs": []}
REFUSAL = {"type": "refusal"}
THOUGHT = {"type": "reasoning_text"}


def _message(script: Script) -> int:
    return script.add("message", "msg", role="assistant", content=[])


def _reasoning(script: Script) -> int:
    return script.add("reasoning", "rs", summary=[], content=[])


def _finished() -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {"empty": Script().complete()}
    script = Script()
    index = _message(script)
    script.part(index, TEXT, ["I ", "start"])
    script.part(index, REFUSAL, ["but ", "stop"])
    script.done(index)
    found["text then refusal"] = script.complete()
    script = Script(queued=True)
    index = _message(script)
    script.cited_part(index)
    script.done(index)
    found["queued, cited"] = script.complete()
    script = Script()
    index = _reasoning(script)
    script.part(index, THOUGHT, ["a", "b"])
    script.summary(index, ["s", "t"])
    script.summary(index, ["u"])
    script.output[index]["encrypted_content"] = "sealed"
    script.done(index)
    script.close_call(_filled(script, "get", '{"a"', ":1}"))
    index = _reasoning(script)
    script.output[index]["encrypted_content"] = "sealed"
    script.done(index)
    found["reasoning, call, sealed reasoning"] = script.complete()
    return found


def _filled(script: Script, name: str, *pieces: str, custom: bool = False) -> int:
    index = script.call(name, custom=custom)
    for piece in pieces:
        script.argue(index, piece)
    return index


def _calls() -> dict[str, list[Event]]:
    script = Script()
    first, second = script.call("get"), script.call("put")
    for index, piece in ((first, '{"a"'), (second, '{"b"'), (first, ":1}")):
        script.argue(index, piece)
    script.close_call(first)
    script.argue(second, ":2}")
    script.close_call(second)
    script.close_call(_filled(script, "patch", "*** Begin", "\n", custom=True))
    found = {"overlapping calls, custom": script.complete()}
    script = Script()
    first, second = _filled(script, "get", '{"a'), _filled(script, "put", '{"b')
    script.close_call(first, "incomplete")
    script.close_call(second, "incomplete")
    found["two calls cut"] = script.cut()
    script = Script()
    action: dict[str, Any] = {"type": "exec", "command": ["ls"], "env": {}}
    operation = {"type": "create_file", "path": "a", "diff": "+x"}
    script.done(script.add("local_shell_call", "lsh", call_id="call_a", action=action))
    script.done(script.add("shell_call", "sh", call_id="call_b", action={"commands": ["ls"]}))
    script.done(script.add("apply_patch_call", "apc", call_id="call_c", operation=operation))
    script.done(script.add("tool_search_call", "tsc", call_id="call_d", arguments={"q": "x"}, execution="client"))
    found["calls without deltas"] = script.complete()
    return found


def _broken() -> dict[str, list[Event]]:
    found = {"failed before any item": Script().fail()}
    script = Script()
    index = _message(script)
    script.part(index, TEXT, ["par", "tial"], closed=False)
    found["failed in a text"] = script.fail()
    script = Script()
    index = _message(script)
    script.part(index, TEXT, ["all"])
    script.done(index)
    _filled(script, "get", '{"a')
    _filled(script, "put", '{"b', '"')
    found["failed in two calls"] = script.fail()
    script = Script()
    index = _reasoning(script)
    script.part(index, THOUGHT, ["on and", " on"])
    script.done(index, "incomplete")
    found["cut while thinking"] = script.cut()
    script = Script()
    index = _message(script)
    script.part(index, TEXT, ["bad"])
    script.done(index, "incomplete")
    found["filtered"] = script.cut("content_filter")
    return found


def _cancelled() -> dict[str, list[Event]]:
    script = Script(queued=True, begun=False)
    found = {"cancelled while it waited": script.cancel()}
    script = Script()
    script.part(_message(script), TEXT, ["so", " far"], closed=False)
    found["cancelled in a text"] = script.cancel()
    script = Script()
    index = _message(script)
    script.part(index, TEXT, ["all"])
    script.done(index)
    _filled(script, "get", '{"a')
    _filled(script, "put")
    found["cancelled in two calls"] = script.cancel()
    return found


GOOD: dict[str, list[Event]] = {**_finished(), **_calls(), **_broken(), **_cancelled()}
"""The streams by name, as lists of payloads."""
