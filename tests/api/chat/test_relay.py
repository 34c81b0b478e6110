"""The relay: what it passes on, what it sees, and that cuts of the network make no difference to either."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.api.chat.relay import ChatRelay
from proxy.errors import (
    InternalError,
    UpstreamCut,
    UpstreamGarbled,
    UpstreamStreamError,
    UpstreamTimeout,
)
from proxy.events import Finish, Usage
from proxy.providers.chat.decoder import ChatDecoder
from proxy.sse.parser import SseParser
from tests.support.chat_streams import chunk, payloads, sse
from tests.support.fixtures import needs_shared, recording, recordings

ROLE = chunk({"role": "assistant", "content": ""})
TEXT = chunk({"content": "Hi"})
END = chunk({}, "stop")
USAGE = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
USAGE_ONLY = chunk(None, usage=USAGE)
ERROR = {"error": {"message": "Worker limit reached", "code": 502}}


def relay(data: bytes, pieces: list[int] | None = None, **options: Any) -> tuple[bytes, ChatRelay]:
    """Returns what a client gets of a body that ended well, cut at the given places."""
    machine = ChatRelay(**options)
    places = [0, *sorted(pieces or ()), len(data)]
    out = [machine.feed(data[start:end]) for start, end in pairwise(places)]
    return b"".join(out) + machine.finish(), machine


def test_a_whole_answer_is_passed_on_byte_by_byte() -> None:
    body = sse(ROLE, TEXT, END, USAGE_ONLY)
    out, machine = relay(body, include_usage=True)
    assert out == body
    assert (machine.done, machine.outcome, machine.error) == (True, "completed", None)
    assert machine.usage == Usage(3, 1, total_tokens=4)


def test_each_payload_leaves_in_the_call_that_completed_it() -> None:
    machine = ChatRelay()
    body = sse(ROLE, TEXT)[: -len(b"data: [DONE]\n\n")]
    assert machine.feed(body) == body
    first, rest = sse(TEXT, done=False)[:-1], b"\n"
    assert machine.feed(first) == b""
    assert machine.feed(rest) == first + rest


def test_the_usage_chunk_is_hidden_from_a_client_that_did_not_ask() -> None:
    out, machine = relay(sse(ROLE, TEXT, END, USAGE_ONLY))
    assert out == sse(ROLE, TEXT, END)
    assert machine.usage == Usage(3, 1, total_tokens=4)


def test_usage_beside_choices_stays_where_it_is_and_the_last_one_counts() -> None:
    body = sse(ROLE, chunk({"content": "a"}, usage={"total_tokens": 1}), chunk({}, "stop", usage=USAGE))
    out, machine = relay(body)
    assert out == body
    assert machine.usage == Usage(3, 1, total_tokens=4)


def test_usage_of_groq() -> None:
    _, machine = relay(sse(TEXT, chunk({}, "stop", x_groq={"id": "r", "usage": USAGE})))
    assert machine.usage == Usage(3, 1, total_tokens=4)


def test_empty_choices_without_usage_are_passed_on() -> None:
    body = sse(chunk(None, prompt_filter_results=[]), TEXT, END, chunk(None, moderation={"input": None}))
    assert relay(body)[0] == body


def test_an_answer_that_speaks_of_usage_and_errors_is_only_text() -> None:
    body = sse(
        chunk({"content": '{"error": {"message": "x"}, "usage": {"total_tokens": 9}}'}),
        chunk({"content": "error"}),
        END,
    )
    out, machine = relay(body)
    assert out == body
    assert (machine.outcome, machine.usage) == ("completed", None)


def test_text_is_not_touched_whatever_bytes_it_has() -> None:
    odd = b'{"choices": [ {"delta": {"content": "\\u00e9\\ud83d"} , "index": 0 } ] , "p": 1e400 }'
    body = sse(odd, END)
    assert relay(body)[0] == body


def test_comments_and_event_names_are_left_out() -> None:
    body = b": PROCESSING\n\nevent: message\n" + sse(TEXT, END)
    assert relay(body)[0] == sse(TEXT, END)


def test_a_payload_of_several_lines_stays_one_event() -> None:
    body = b'data: {"choices":\ndata: [{"index":0,"delta":{"content":"a"}}]}\n\n' + sse(END)
    assert relay(body)[0] == body


def test_pings_are_left_out() -> None:
    assert relay(b'event: ping\ndata: {"type":"ping"}\n\n' + sse(TEXT, END))[0] == sse(TEXT, END)


def test_done_is_last_and_once() -> None:
    out, _ = relay(sse(TEXT, END) + sse(TEXT))
    assert out == sse(TEXT, END)


@pytest.mark.parametrize("last", [b"", b"data: DONE\n\n", b"data: [DONE]"])
def test_done_is_written_when_the_upstream_left_it_out_or_wrote_it_otherwise(last) -> None:
    assert relay(sse(TEXT, END, done=False) + last)[0] == sse(TEXT, END)


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [("stop", "completed"), ("tool_calls", "completed"), ("length", "incomplete"), ("content_filter", "incomplete")],
)
def test_the_first_finish_reason_says_how_it_ended(reason, outcome) -> None:
    _, machine = relay(sse(TEXT, chunk({}, reason), chunk({}, "stop")))
    assert machine.outcome == outcome


def test_done_without_finish_reason_is_an_end() -> None:
    out, machine = relay(sse(TEXT))
    assert (out, machine.outcome) == (sse(TEXT), "completed")


def test_a_usage_chunk_behind_the_answer_is_an_end() -> None:
    out, machine = relay(sse(TEXT, USAGE_ONLY, done=False))
    assert (out, machine.outcome) == (sse(TEXT), "completed")


@pytest.mark.parametrize(
    ("body", "kind", "kept"),
    [
        (b"", UpstreamCut, b""),
        (sse(), UpstreamGarbled, b""),
        (sse(ROLE), UpstreamGarbled, sse(ROLE, done=False)),
        (sse(TEXT, done=False), UpstreamCut, sse(TEXT, done=False)),
    ],
)
def test_an_answer_that_is_none_or_not_whole_fails(body, kind, kept) -> None:
    out, machine = relay(body)
    assert out.startswith(kept)
    assert set(json.loads(payloads(out[len(kept) :])[0])["error"]) == {"message", "type", "param", "code"}
    assert b"[DONE]" not in out
    assert machine.outcome == "failed"
    assert type(machine.error) is kind


@pytest.mark.parametrize(
    "last",
    [
        sse(ERROR),
        b"event: error\n" + sse(ERROR, done=False),
        b"event: error\n" + sse(ERROR["error"], done=False),
        b"error: " + json.dumps(ERROR).encode() + b"\n",
        json.dumps(ERROR, indent=1).encode(),
        json.dumps([ERROR]).encode(),
        sse({"object": "error", "message": "Worker limit reached", "code": 502}),
        sse({**chunk({}, "error"), **ERROR}),
        sse({**TEXT, "choices": [{"index": 0, "delta": {}, "finish_reason": "error", **ERROR}]}),
        sse(chunk({}, x_groq={"id": "r", **ERROR})),
    ],
)
def test_an_error_in_the_stream_ends_it(last) -> None:
    out, machine = relay(sse(TEXT, done=False) + last + b"\n")
    assert out.startswith(sse(TEXT, done=False))
    error = json.loads(payloads(out)[-1])["error"]
    assert error["message"] == "Worker limit reached"
    assert error["type"] == "server_error"
    assert (machine.done, machine.outcome) == (True, "failed")
    assert isinstance(machine.error, UpstreamStreamError)
    assert machine.feed(sse(TEXT)) == machine.finish() == machine.fail(InternalError("x")) == b""


def test_a_finish_reason_can_be_the_error() -> None:
    out, machine = relay(sse(TEXT, chunk({}, "insufficient_system_resource")))
    assert "insufficient_system_resource" in json.loads(payloads(out)[-1])["error"]["message"]
    assert machine.outcome == "failed"


def test_the_code_of_the_upstream_is_kept_and_its_secrets_are_not() -> None:
    error = {"message": "bad key sk-abcdefghijkl at https://10.0.0.7/v1", "code": "tool_use_failed", "type": "x"}
    out, _ = relay(sse(TEXT, {"error": error}))
    shown = json.loads(payloads(out)[-1])["error"]
    assert shown["code"] == "tool_use_failed"
    assert "sk-abc" not in shown["message"]
    assert "10.0.0.7" not in shown["message"]
    out, _ = relay(sse(TEXT, {"error": {**error, "code": "sk-abcdefghijkl"}}))
    assert json.loads(payloads(out)[-1])["error"]["code"] == "***"


def test_an_error_behind_the_finish_reason_is_taken_out() -> None:
    late = {**chunk({"content": ""}, "length", usage=USAGE), **ERROR}
    out, machine = relay(sse(TEXT, chunk({}, "length"), late, ERROR))
    late.pop("error")
    assert out == sse(TEXT, chunk({}, "length"), late)
    assert machine.outcome == "incomplete"
    assert machine.usage == Usage(3, 1, total_tokens=4)


def test_what_is_no_json_is_left_out_and_counted() -> None:
    out, machine = relay(sse(TEXT, b'{"id":"x","choi', b"", END))
    assert out == sse(TEXT, END)
    assert (machine.malformed, machine.outcome) == (1, "completed")


def test_three_broken_payloads_in_a_row_fail() -> None:
    out, machine = relay(sse(TEXT, b"{", b"{", b"{", TEXT, END))
    assert json.loads(payloads(out)[-1])["error"]["code"] == "server_error"
    assert isinstance(machine.error, UpstreamGarbled)


def test_two_broken_payloads_between_good_ones_do_not() -> None:
    assert relay(sse(TEXT, b"{", b"{", TEXT, b"{", b"[1]", END))[0] == sse(TEXT, TEXT, END)


def test_an_event_that_never_ends_fails() -> None:
    machine = ChatRelay()
    out = b""
    for _ in range(40):
        out = out or machine.feed(b"data: " + b"x" * (1024 * 1024))
    assert json.loads(payloads(out)[0])["error"]["code"] == "server_error"
    assert isinstance(machine.error, UpstreamGarbled)


def test_what_stands_in_front_of_the_answer_waits_for_it() -> None:
    machine = ChatRelay()
    head = sse(chunk(None, prompt_filter_results=[]), ROLE, done=False)
    assert machine.feed(head) == b""
    assert not machine.started
    first = sse(chunk({"reasoning": "hm"}), done=False)
    assert machine.feed(first) == head + first
    assert machine.started


def test_it_does_not_wait_for_ever() -> None:
    machine = ChatRelay()
    head = sse(ROLE, done=False)
    count = 64 * 1024 // len(head)
    assert all(machine.feed(head) == b"" for _ in range(count))
    assert machine.feed(head) == head * (count + 1)
    assert machine.started


def test_an_answer_of_nothing_is_passed_on_with_its_end() -> None:
    machine = ChatRelay()
    assert machine.feed(sse(ROLE, done=False)) == b""
    assert machine.feed(sse(END)) == sse(ROLE, END)


@pytest.mark.parametrize(
    "delta", [{"tool_calls": [{"index": 0}]}, {"refusal": "No"}, {"content": "a"}, {"reasoning_content": "a"}]
)
def test_all_that_is_said_counts_as_a_start(delta) -> None:
    machine = ChatRelay()
    machine.feed(sse(chunk(delta), done=False))
    assert machine.started


class TestFail:
    """What a failure of the connection gives."""

    def test_in_the_middle(self) -> None:
        machine = ChatRelay()
        machine.feed(sse(TEXT, done=False) + b'data: {"choi')
        out = machine.fail(UpstreamTimeout("Too late.", phase="idle"))
        assert json.loads(payloads(out)[0])["error"] == {
            "message": "Too late.",
            "type": "server_error",
            "param": None,
            "code": "timeout",
        }
        assert machine.outcome == "failed"

    def test_behind_the_finish_reason_it_is_none(self) -> None:
        machine = ChatRelay()
        machine.feed(sse(TEXT, END, done=False))
        assert machine.fail(UpstreamCut("Gone.")) == b"data: [DONE]\n\n"
        assert machine.outcome == "completed"

    def test_a_fault_of_our_own_is_one_there_too(self) -> None:
        machine = ChatRelay()
        machine.feed(sse(TEXT, END, done=False))
        assert b"Bug" in machine.fail(InternalError("Bug."))
        assert machine.outcome == "failed"

    def test_behind_the_end_it_changes_nothing(self) -> None:
        machine = ChatRelay()
        machine.feed(sse(TEXT, END))
        assert machine.fail(UpstreamCut("Gone.")) == b""
        assert machine.outcome == "completed"


class TestWhole:
    """Answers in one piece."""

    def test_it_is_passed_on_as_it_is(self) -> None:
        choices = [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "length"}]
        body = json.dumps({"id": "x", "choices": choices, "usage": USAGE}).encode()
        machine = ChatRelay()
        assert machine.whole(body) == (body, Usage(3, 1, total_tokens=4), "incomplete")
        assert (machine.done, machine.started, machine.outcome) == (True, True, "incomplete")

    @pytest.mark.parametrize(("body", "status"), [(ERROR, 503), ({"error": {"message": "no", "code": 404}}, 404)])
    def test_an_error_object_raises_with_its_own_status(self, body, status) -> None:
        with pytest.raises(UpstreamStreamError) as caught:
            ChatRelay().whole(json.dumps(body).encode())
        assert caught.value.status == status

    @pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"choices":[]}', b'{"choices":[],"usage":{}}'])
    def test_what_is_no_completion_raises(self, body) -> None:
        with pytest.raises(UpstreamGarbled):
            ChatRelay().whole(body)

    @needs_shared
    @pytest.mark.parametrize("row", recordings("openai-chat-completions-json"), ids=lambda row: row["path"])
    def test_recorded_ones(self, row) -> None:
        body = recording(row["path"])
        out, usage, outcome = ChatRelay().whole(body)
        assert out == body
        assert usage is not None
        assert outcome == ("incomplete" if b'"content_filter"' in body else "completed")


STREAM = (
    b": hello\n\n"
    + sse(ROLE, TEXT, b'{"broken', chunk({"content": "é😀"}), done=False)
    + b"event: message\r\ndata: "
    + json.dumps(END).encode()
    + b"\r\n\r\n"
    + sse(USAGE_ONLY)
)


def test_where_the_network_cuts_makes_no_difference() -> None:
    whole = relay(STREAM)[0]
    for cut in range(len(STREAM) + 1):
        assert relay(STREAM, [cut])[0] == whole, cut


def test_a_lost_connection_anywhere_gives_one_end() -> None:
    outcomes = set()
    for end in range(len(STREAM) + 1):
        machine = ChatRelay()
        found = payloads(machine.feed(STREAM[:end]) + machine.fail(UpstreamCut("Gone.")))
        assert machine.done
        assert [one == b"[DONE]" or b'"error"' in one for one in found] == [False] * (len(found) - 1) + [True]
        assert (found[-1] == b"[DONE]") == (machine.outcome == "completed")
        outcomes.add(machine.outcome)
    assert outcomes == {"completed", "failed"}


events = st.sampled_from(
    [
        sse(ROLE, done=False),
        sse(TEXT, done=False),
        sse(chunk({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]}), done=False),
        sse(END, done=False),
        sse(chunk({"content": "x"}, "length"), done=False),
        sse(USAGE_ONLY, done=False),
        sse(ERROR, done=False),
        sse(chunk({}, "error"), done=False),
        sse(b"{", done=False),
        sse(b"nonsense\xff", done=False),
        b"event: error\ndata: {}\n\n",
        b": comment\n\n",
        b"error: {}\n",
        b"{\n",
        b'data: {"choices":null,\ndata: "usage":null}\r\n\r\n',
        b"data: [DONE]\n\n",
        b"\n",
        b"\r",
    ]
)


@settings(max_examples=80, deadline=None)
@given(parts=st.lists(events, max_size=12), seed=st.integers(0, 1000), wanted=st.booleans())
def test_any_stream_gives_the_same_in_any_pieces_and_one_end(parts, seed, wanted) -> None:
    body = b"".join(parts)
    whole, first = relay(body, include_usage=wanted)
    chance = random.Random(seed)
    cuts = [chance.randrange(len(body) + 1) for _ in range(chance.randrange(12))]
    out, second = relay(body, cuts, include_usage=wanted)
    assert out == whole
    assert (first.outcome, first.usage, first.malformed) == (second.outcome, second.usage, second.malformed)
    bytewise, _ = relay(body, list(range(len(body))), include_usage=wanted)
    assert bytewise == whole
    assert first.outcome is not None
    assert whole.endswith(b"data: [DONE]\n\n") == (first.outcome != "failed")
    assert whole.count(b"[DONE]") == (first.outcome != "failed")


@pytest.mark.parametrize("row", recordings("openai-chat-completions-stream"), ids=lambda row: row["path"])
def test_recorded_answers_end_as_the_decoder_says(row) -> None:
    body = recording(row["path"])
    out, machine = relay(body, include_usage=True)
    parser, decoder = SseParser(), ChatDecoder()
    found = decoder.feed(parser.feed(body))
    if not decoder.done:
        found += decoder.feed(parser.finish())
    if not decoder.done:
        found += decoder.finish()
    last = found[-1]
    ended = ("completed" if last.reason == "stop" else "incomplete") if isinstance(last, Finish) else "failed"
    assert machine.outcome == ended
    assert machine.usage == next((one for one in reversed(found) if isinstance(one, Usage)), None)
    step = max(1, len(body) // 40)
    assert relay(body, list(range(0, len(body), step)), include_usage=True)[0] == out
