"""Passes the answer of a chat-completions upstream on to a chat-completions client. Sans-IO.

Every payload leaves as it came, in the same call. Only what stands in front of the answer (the role, notes of filters)
waits for its first piece: until then another deployment may still take over. The machine watches for the usage, for
the finish reason, for errors and for the end. It reads each chunk into a struct of those few fields, which costs less
than searching its bytes for them (0.24 against 0.4 to 0.9 microseconds for a chunk of 330 bytes) and cannot be misled
by a text that contains such a word. Its rules for what ends an answer, and how, are those of the chat decoder:

- the first finish reason counts; an error behind it changes nothing and is taken out, one before it fails the answer;
- a payload that is no JSON is left out; three in a row fail the answer;
- a body that ends without `[DONE]` is whole when a finish reason was there, else it was cut;
- `[DONE]` without any answer is a failure.

A stream that is given names bears them instead of the upstream's id and model, which costs a comparison and a slice.

What is not passed on: comments (the server sends its own), event names, bytes behind the end, and the usage chunk of a
client that did not ask for it. An error is written anew, so that no key or address of the upstream gets out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ...errors import ExchangeError, UpstreamCut, UpstreamGarbled, UpstreamTimeout
from ...events import Usage
from ...exchange import Outcome
from ...providers.chat.chunk import Delta, decode_chunk, decode_leniently
from ...providers.chat.stream_error import error_in, stream_error
from ...providers.chat.usage import usage_from_chat
from ...providers.chat.wording import strip_secrets
from ...sse.parser import Payload, SseParser
from .objects import DONE, error_event
from .renaming import Renaming

_CUT_SHORT = frozenset(
    ("length", "max_tokens", "model_length", "max_output_tokens", "content_filter", "safety", "recitation")
)
_BROKEN = frozenset(("error", "abort", "insufficient_system_resource"))
_MALFORMED_IN_A_ROW = 3
_CHARS_A_CHUNK = 4
_MAX_CODE = 64
_MAX_HELD_BYTES = 64 * 1024


class _Choice(msgspec.Struct, gc=False):
    finish_reason: str | None = None
    error: Any = None


class _Seen(msgspec.Struct, gc=False):
    """What the relay looks at in a chunk."""

    choices: list[_Choice] | None = None
    usage: dict[str, Any] | None = None
    error: Any = None
    x_groq: dict[str, Any] | None = None
    service_tier: Any = None


_decode = msgspec.json.Decoder(_Seen).decode


class ChatRelay:
    """Takes the bytes of one answer; returns the bytes for the client.

    `include_usage` says whether the client asked for the usage chunk, `names` what the answer is called; without them
    that is what the upstream calls it. `started` is True once anything was passed on: from then on nothing can be
    retried. `done` is True once the answer has ended; `outcome`, `error`, `usage` and `service_tier` are final then.
    `malformed` counts payloads that were left out.
    """

    __slots__ = (
        "_chunks",
        "_finish",
        "_held",
        "_include_usage",
        "_malformed_run",
        "_names",
        "_parser",
        "_said",
        "_usage",
        "_usage_last",
        "done",
        "error",
        "malformed",
        "outcome",
        "service_tier",
        "started",
    )

    def __init__(self, *, include_usage: bool = False, names: Renaming | None = None) -> None:
        self._parser = SseParser()
        self._names = names
        self._include_usage = include_usage
        self._held = b""  # what stands in front of the answer
        self._finish: str | None = None
        self._usage: dict[str, Any] | None = None
        self._usage_last = False
        self._said = False
        self._malformed_run = 0
        self.malformed = 0
        self.started = False
        self._chunks = 0
        self.done = False
        self.outcome: Outcome | None = None
        self.service_tier: str | None = None
        self.error: ExchangeError | None = None

    @property
    def usage(self) -> Usage | None:
        """The last usage that the upstream told of, or None."""
        return None if self._usage is None else usage_from_chat(self._usage)

    def output_chars(self) -> int:
        """Returns a guess at how many characters the model has produced: chunks are about a token, and not read."""
        return _CHARS_A_CHUNK * self._chunks

    def feed(self, data: bytes) -> bytes:
        """Takes the next bytes; returns what they give for the client. Hot: once a read."""
        if self.done:
            return b""
        try:
            payloads = self._parser.feed(data)
        except UpstreamGarbled as error:
            return self.fail(error)
        if len(payloads) == 1 and self.started:
            return self._take(payloads[0])
        return self._all(payloads)

    def finish(self) -> bytes:
        """Says that the body has ended as HTTP says it should; returns the rest."""
        if self.done:
            return b""
        out = self._all(self._parser.finish())
        return out if self.done else out + self._release() + self._end(clean=False)

    def fail(self, error: ExchangeError) -> bytes:
        """Says that no more will come, and why; returns the error event.

        An answer whose finish reason has been passed on is whole: losing the connection behind it is no failure.
        """
        if self.done:
            return b""
        if self._finish is not None and isinstance(error, (UpstreamCut, UpstreamTimeout, UpstreamGarbled)):
            return self._release() + self._end(clean=False)
        return self._release() + self._fail(error)

    def whole(self, body: bytes) -> tuple[bytes, Usage | None, Outcome]:
        """Takes the body of a non-streamed answer instead; returns it under its names, its usage, and how it ended.

        Raises UpstreamStreamError for an error object under status 200, UpstreamGarbled for what is no completion:
        nothing has reached the client yet, so that another deployment may be asked or a true status be given.
        """
        seen = _read_leniently(body)
        if seen is None:
            raise UpstreamGarbled("The upstream's answer is not JSON.")
        if (error := self._error_of(seen, body)) is not None:
            raise stream_error(error)
        if not seen.choices:
            raise UpstreamGarbled("The upstream's answer holds no choices.")
        self._note(seen)
        self.done = self.started = True
        self.outcome = "incomplete" if self._finish in _CUT_SHORT else "completed"
        return body if self._names is None else self._names.renamed(body), self.usage, self.outcome

    def _all(self, payloads: Sequence[Payload]) -> bytes:
        """Takes payloads; returns what they give for the client, or keeps it as long as there is no answer."""
        out = [self._release()]
        for payload in payloads:
            out.append(self._take(payload))
            if self.done:
                break
        data = b"".join(out)
        if self.started or self.done:
            return data
        if len(data) > _MAX_HELD_BYTES:
            self.started = True
            return data
        self._held = data
        return b""

    def _release(self) -> bytes:
        held, self._held = self._held, b""
        return held

    def _take(self, payload: Payload) -> bytes:
        """Takes one payload; returns it, or what stands in its place. Hot: once a chunk."""
        name, data = payload
        if name and name != b"message":
            return self._named(name, data)
        if data in (b"[DONE]", b"DONE"):
            return self._end(clean=True)
        try:
            seen: _Seen | None = _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            seen = _read_leniently(data)
        if seen is None:
            return self._skip(data)
        self._malformed_run = 0
        self._chunks += 1
        if self._said and not seen.usage and not seen.error and seen.x_groq is None and seen.choices:
            choice = seen.choices[0]
            if not choice.finish_reason and not choice.error and len(seen.choices) == 1:
                return self._framed(data)
        return self._special(seen, data)

    def _framed(self, data: bytes) -> bytes:
        """Returns the event of a payload, under the names of the answer. Hot: once a chunk."""
        names = self._names
        if names is not None:
            if data.startswith(names.theirs):
                data = names.ours + data[names.length :]
            else:
                data = names.renamed(data)
        if b"\n" in data:
            data = data.replace(b"\n", b"\ndata: ")
        return b"data: " + data + b"\n\n"

    def _special(self, seen: _Seen, data: bytes) -> bytes:
        """Takes a payload that may be more than a piece of the answer."""
        if seen.choices and not self._said:
            self._said = _says_something(data)
            self.started = self.started or self._said
        self._note(seen)
        if (error := self._error_of(seen, data)) is not None:
            return self._error(error, data)
        if seen.usage and not seen.choices:
            self._usage_last = self._usage_last or self._said
            if not self._include_usage:
                return b""
        return self._framed(data)

    def _note(self, seen: _Seen) -> None:
        """Remembers the finish reason, the usage and the service tier."""
        if isinstance(seen.service_tier, str):
            self.service_tier = seen.service_tier
        for choice in seen.choices or ():
            if choice.finish_reason and self._finish is None and choice.finish_reason not in _BROKEN:
                self._finish = choice.finish_reason
        if seen.usage:
            self._usage = seen.usage
        elif seen.x_groq is not None and isinstance(seen.x_groq.get("usage"), dict):
            self._usage = seen.x_groq["usage"]

    def _error_of(self, seen: _Seen, data: bytes) -> Any:
        """Returns the error that a payload holds, wherever it stands, or None."""
        if seen.error:
            return seen.error
        if seen.x_groq is not None and seen.x_groq.get("error"):
            return seen.x_groq["error"]
        if not seen.choices:
            return error_in(data) if seen.choices is None and seen.usage is None else None
        for choice in seen.choices:
            if choice.error:
                return choice.error
            if choice.finish_reason in _BROKEN:
                return {"message": f"The upstream ended with finish_reason {choice.finish_reason!r}."}
        return None

    def _named(self, name: bytes, data: bytes) -> bytes:
        """Takes a payload with an event name."""
        if name == b"error":
            return self._error(_loads(data), b"")
        if name == b"unframed":
            found = _loads(data)
            if isinstance(found, list) and found:
                found = found[0]
            return self._error(found, b"") if isinstance(found, dict) and found.get("error") else b""
        return b"" if name == b"ping" else self._take((b"", data))

    def _error(self, error: Any, data: bytes) -> bytes:
        """Takes an error object: it fails the answer, or is taken out of an answer that had come to its end."""
        if self._finish is None:
            said = error.get("code") if isinstance(error, dict) else None
            if isinstance(said, str):
                said = strip_secrets(said, _MAX_CODE)
            return self._fail(stream_error(error), said if isinstance(said, (str, int)) else None)
        rest = _loads(data)
        if not isinstance(rest, dict) or "choices" not in rest:
            return b""
        rest.pop("error", None)
        if not rest["choices"] and not self._include_usage:
            return b""
        return self._framed(msgspec.json.encode(rest))

    def _skip(self, data: bytes) -> bytes:
        """Leaves out a payload that is no JSON object."""
        if not data.strip():
            return b""
        self.malformed += 1
        self._malformed_run += 1
        if self._malformed_run < _MALFORMED_IN_A_ROW:
            return b""
        return self.fail(UpstreamGarbled("The upstream sent several events in a row that are not JSON."))

    def _end(self, *, clean: bool) -> bytes:
        """Ends the answer; `clean` when the upstream said so itself."""
        if self._finish is None and not (clean and self._said) and not self._usage_last:
            if clean:
                return self._fail(UpstreamGarbled("The upstream ended the stream without an answer."))
            return self._fail(UpstreamCut("The upstream closed the stream before it was complete."))
        self.done = True
        self.outcome = "incomplete" if self._finish in _CUT_SHORT else "completed"
        return DONE

    def _fail(self, error: ExchangeError, code: str | int | None = None) -> bytes:
        self.done = True
        self.outcome = "failed"
        self.error = error
        return error_event(error, code)


def _read_leniently(data: bytes) -> _Seen | None:
    """Returns what is looked at in a payload that may not be as it should, or None when it is no JSON object."""
    read = decode_leniently(data)
    if read is None:
        return None
    chunk = read[0]
    choices = None if chunk.choices is None else [_Choice(one.finish_reason, one.error) for one in chunk.choices]
    groq = chunk.x_groq if isinstance(chunk.x_groq, dict) else None
    return _Seen(choices, chunk.usage, chunk.error, groq, chunk.service_tier)


def _says_something(data: bytes) -> bool:
    """Tells whether a chunk holds a piece of the answer, not only the role."""
    try:
        chunk = decode_chunk(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return True
    return any(_says(choice.delta or choice.message) for choice in chunk.choices or ())


def _says(delta: Delta | None) -> bool:
    return delta is not None and any(getattr(delta, name) for name in delta.__struct_fields__)


def _loads(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return data.decode("utf-8", "replace")
