"""Turns the responses of a generateContent stream into neutral events. Sans-IO.

Each payload is a whole GenerateContentResponse with the parts that are new. There is no mark of the end: the answer
has ended when the body does, after a response with a finish reason; counts of tokens are cumulative, so that the last
ones are told, with the end. Beyond that (wire reference, section 6.5):

- a reason that is not STOP counts, wherever it stands; models of old say STOP with every response;
- a response without candidates and with a block reason says that the prompt was refused;
- an error, in a response or bare behind the events, fails the answer wherever it comes;
- a body that is one JSON array is the same responses, one behind the other;
- a payload that is no JSON is skipped; three in a row fail the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from ...api.raw import ABSENT, Raw, given
from ...errors import UpstreamCut, UpstreamError, UpstreamGarbled
from ...events import Annotation, Event, Finish, OutputItem, UpstreamFailed
from ..chat.decoder import new_call_id
from ..chat.surrogates import load
from ..provider import Payload
from .chunk import Candidate, Chunk, decode_chunk, decode_leniently
from .errors import stream_error
from .finish import ending_of, failed_finish, is_blocked, refused_prompt, supersedes
from .frame import LearnedFrame, counted
from .grounding import citation_annotations, grounding_annotations, page_items, searches_in
from .logprobs import read_logprobs
from .parts import Parts
from .profile import profile_of
from .usage import read_usage

_MALFORMED_IN_A_ROW = 3

_decode_array = msgspec.json.Decoder(list[Raw]).decode


class GeminiDecoder:
    """Takes the payloads of one answer; returns its events, ending in one Finish or UpstreamFailed.

    `done` is True from then on. `made_by` is the model that answers, noted on what it wants back. `make_call_id` names
    calls that the upstream gave no usable id. `at_once` tells arguments that come in pieces as they come.
    """

    __slots__ = (
        "_blocked",
        "_citations",
        "_counts_searches",
        "_finish",
        "_finish_message",
        "_frame",
        "_grounding",
        "_late",
        "_malformed_run",
        "_pages",
        "_parts",
        "_usage",
        "done",
        "text_of",
    )

    def __init__(
        self, made_by: str = "", make_call_id: Callable[[], str] = new_call_id, *, at_once: bool = False
    ) -> None:
        self.done = False
        self._parts = Parts(made_by, make_call_id, at_once=at_once)
        self._counts_searches = profile_of(made_by).signatures
        self._malformed_run = 0
        self._finish: str | None = None
        self._finish_message: str | None = None
        self._blocked: tuple[str, str | None] | None = None
        self._usage = ABSENT
        self._late = b""  # a read that was recognised, and whose counts are the last
        self._frame = LearnedFrame()
        self.text_of = self._frame.text
        self._grounding = ABSENT
        self._pages = ABSENT
        self._citations: list[Raw] = []

    def feed(self, payloads: Sequence[Payload]) -> list[Event]:
        """Takes payloads; returns the events they make. Hot: once a read."""
        self._frame.prefix = None
        if self._frame.heard:
            self._catch_up()
        events: list[Event] = []
        for name, data in payloads:
            if self.done:
                break
            if name:
                self._named(name, data, events)
                continue
            try:
                chunk = decode_chunk(data)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                self._misfit(data, events)
                continue
            self._malformed_run = 0
            self._chunk(chunk, events)
        return events

    def _catch_up(self) -> None:
        """Takes what the frame has recognised. Its tokens are counted when no others come behind it."""
        self._parts.heard(self._frame.take())
        self._late = self._frame.last

    def learn(self, read: bytes, text: str) -> None:
        """Tells of a read that was one whole event and gave that text alone, so that the next like it is known."""
        if self._frame.patience and not self.done:
            self._frame.learn(read, text)

    def finish(self) -> list[Event]:
        """Says that the body has ended; returns the rest, ending in Finish or UpstreamFailed."""
        events: list[Event] = []
        if self._frame.heard:
            self._catch_up()
        if not self.done:
            self._end(events, whole=False)
        return events

    def whole(self, body: bytes) -> list[Event]:
        """Takes the body of a non-streamed answer, or of a stream that came as one array; returns all its events."""
        events: list[Event] = []
        if not self._take_json(body.strip(), events):
            self._fail(UpstreamGarbled("The upstream's answer is not JSON."), events)
        if not self.done:
            self._end(events, whole=True)
        return events

    def _chunk(self, chunk: Chunk, events: list[Event]) -> None:
        """Takes one response that fits. Hot: once a response."""
        for candidate in chunk.candidates or ():
            if not candidate.index:  # another answer than the first, whose index is 0 or not said, is not read
                self._candidate(candidate, events)
        if len(chunk.usage_metadata):
            self._usage = chunk.usage_metadata
            self._late = b""
        feedback = chunk.prompt_feedback
        if feedback is not None and is_blocked(feedback.block_reason):
            self._blocked = feedback.block_reason or "", feedback.block_reason_message
        if given(chunk.error):
            self._fail(stream_error(load(bytes(chunk.error))), events)

    def _candidate(self, candidate: Candidate, events: list[Event]) -> None:
        """Takes what is new of the first answer. Hot: once a response."""
        if candidate.content is not None and candidate.content.parts:
            logprobs = read_logprobs(candidate.logprobs_result) if len(candidate.logprobs_result) else None
            for part in candidate.content.parts:
                self._parts.take(part, logprobs, events)
                logprobs = None
        reason = candidate.finish_reason
        if reason is not None and supersedes(reason, self._finish):
            self._finish = reason
            self._finish_message = candidate.finish_message
        if len(candidate.grounding_metadata) > 2:  # an empty object says nothing, and takes nothing back
            self._grounding = candidate.grounding_metadata
        if len(candidate.url_context_metadata) > 2:
            self._pages = candidate.url_context_metadata
        if given(candidate.citation_metadata):
            self._citations.append(candidate.citation_metadata)

    def _named(self, name: bytes, data: bytes, events: list[Event]) -> None:
        """Takes a payload with an event name: an error, an unframed body, or a response under a name of its own."""
        if name == b"error":
            self._fail(stream_error(load(data)), events)
        elif name == b"unframed":
            taken = self._take_json(data.strip(), events)
            if not taken and self._finish is None and not self._parts.said:
                self._fail(UpstreamGarbled("The upstream's answer is neither an event stream nor JSON."), events)
        elif name != b"ping":
            events += self.feed([(b"", data)])

    def _take_json(self, body: bytes, events: list[Event]) -> bool:
        """Takes a response, or an array of them; tells whether the bytes are one of both."""
        if body.startswith(b"["):
            try:
                responses = _decode_array(body)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                return False
            events += self.feed([(b"", bytes(one)) for one in responses])
            return True
        if not isinstance(load(body), dict):
            return False
        events += self.feed([(b"", body)])
        return True

    def _misfit(self, data: bytes, events: list[Event]) -> None:
        """Takes a payload that is no response as it should be: a sloppy one, an array of them, or no JSON."""
        bare = data.strip()
        if not bare or bare == b"[DONE]":
            return
        chunk = decode_leniently(bare)
        if chunk is not None:
            self._malformed_run = 0
            self._chunk(chunk, events)
        elif not (bare.startswith(b"[") and self._take_json(bare, events)):
            self._malformed_run += 1
            if self._malformed_run >= _MALFORMED_IN_A_ROW and self._finish is None:
                self._fail(UpstreamGarbled("The upstream sent several events in a row that are not JSON."), events)

    # --- the end

    def _fail(self, error: UpstreamError, events: list[Event]) -> None:
        self._count(events)
        self.done = True
        events.append(UpstreamFailed(error))

    def _count(self, events: list[Event]) -> str | None:
        """Tells the tokens; returns the service tier."""
        usage, tier = read_usage(counted(self._late).usage_metadata if self._late else self._usage)
        if usage is not None:
            searches = searches_in(self._grounding)
            # since Gemini 3 each search is charged for, before that a prompt that was searched for
            usage.searches = searches if self._counts_searches else min(1, searches)
            events.append(usage)
        return tier

    def _end(self, events: list[Event], *, whole: bool) -> None:
        """Ends the answer; `whole` when all of it came as one body."""
        error = self._error(whole=whole)
        if error is not None:
            self._fail(error, events)
            return
        ending = ending_of(self._finish) if self._finish is not None else "stop"
        if self._blocked is not None and not self._parts.said:
            ending = "content_filter"
        self._parts.finish(events)
        self._cite(events)
        events.extend(OutputItem(item) for item in page_items(self._pages))
        tier = self._count(events)
        self.done = True
        events.append(Finish(ending if ending in ("length", "content_filter") else "stop", tier))

    def _error(self, *, whole: bool) -> UpstreamError | None:
        """Returns what the answer has failed with, if it has."""
        said = self._parts.said
        if self._blocked is not None and not said:
            return refused_prompt(*self._blocked) if whole else None
        if self._finish is None:
            if not whole:
                return UpstreamCut("The upstream closed the stream before it was complete.")
            return None if said else UpstreamGarbled("The upstream ended without an answer.")
        ending = ending_of(self._finish)
        if ending == "failed" or (ending == "vague" and not said):
            return failed_finish(self._finish, self._finish_message)
        return self._parts.error()

    def _cite(self, events: list[Event]) -> None:
        """Tells what the text rests on."""
        if not self._citations and not given(self._grounding):
            return
        text = "".join(self._parts.texts)
        found = grounding_annotations(self._grounding, text) + citation_annotations(self._citations, text)
        if text:
            events.extend(Annotation(one) for one in found)
