"""What upstreams do to their streams, and what stays of it: one test a defect, judged by the grammar."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import UpstreamCut, UpstreamError, UpstreamGarbled, UpstreamStreamError
from proxy.providers.responses.repair import Repair
from proxy.providers.responses.steps import Described, Ended, Step
from tests.support.grammar import Checked, GrammarViolation, check_stream
from tests.support.responses_streams import (
    LOOSE,
    TEXT,
    Upstream,
    call_item,
    message_item,
    payloads,
    relayed,
    response_object,
    steps_of,
)


def judged(raw: bytes) -> Checked:
    return check_stream(relayed(raw), profile=LOOSE)


def end_of(raw: bytes) -> Ended:
    last = steps_of(raw)[-1]
    assert isinstance(last, Ended)
    return last


def without(raw: bytes, *types: str) -> bytes:
    """Returns a stream without the events of some types."""
    blocks = raw.split(b"\n\n")
    return b"\n\n".join(one for one in blocks if not any(f'"response.{type}"'.encode() in one for type in types))


def whole(*texts: str) -> bytes:
    up = Upstream()
    return up.begin() + up.message(*texts) + up.end(message_item(*texts))


def with_call(*pieces: str) -> bytes:
    up = Upstream()
    return up.begin() + up.call("f", *pieces) + up.end(call_item("f", "".join(pieces)))


def test_a_good_stream_is_left_alone() -> None:
    steps = steps_of(whole("Hel", "lo"))
    assert isinstance(steps[0], Described)
    assert all(step.data is not None for step in steps if isinstance(step, Step))
    assert isinstance(steps[-1], Ended)


@pytest.mark.parametrize(
    "missing",
    [
        ("created",),
        ("in_progress",),
        ("output_item.added",),
        ("content_part.added",),
        ("output_item.added", "content_part.added"),
        ("output_text.delta",),
        ("output_text.done",),
        ("content_part.done",),
        ("output_text.done", "content_part.done"),
        ("output_item.done",),
        ("output_text.done", "content_part.done", "output_item.done"),
        ("output_item.added", "content_part.added", "output_text.delta", "output_text.done", "content_part.done"),
    ],
)
def test_missing_events_are_made_up(missing: tuple[str, ...]) -> None:
    said = judged(without(whole("Hel", "lo"), *missing))
    assert said.text == "Hello"
    assert said.output[0]["content"][0]["text"] == "Hello"
    assert said.response["usage"]["total_tokens"] == 14


@pytest.mark.parametrize(
    "missing",
    [
        ("function_call_arguments.delta",),
        ("function_call_arguments.done",),
        ("function_call_arguments.delta", "function_call_arguments.done"),
        ("output_item.added", "function_call_arguments.delta", "function_call_arguments.done"),
        ("output_item.added",),
        ("output_item.done",),
    ],
)
def test_missing_events_of_a_call_are_made_up(missing: tuple[str, ...]) -> None:
    said = judged(without(with_call('{"a"', ":1}"), *missing))
    assert said.calls == [("f", '{"a":1}')]
    assert said.of("function_call_arguments.delta")


@pytest.mark.parametrize("names", [True, False])
@pytest.mark.parametrize("numbers", [True, False])
@pytest.mark.parametrize("marker", [b"", b"data: [DONE]\n\n"])
def test_names_numbers_and_the_marker_may_be_there_or_not(names: bool, numbers: bool, marker: bytes) -> None:
    up = Upstream(names=names, numbers=numbers)
    raw = up.begin() + up.message("Hi") + up.end(message_item("Hi")) + marker
    assert judged(raw).text == "Hi"


def test_signs_of_life_are_left_out() -> None:
    up = Upstream()
    alive = up.event("keepalive") + b": ping\n\nevent: ping\ndata: {}\n\n" + up.event("heartbeat")
    assert judged(up.begin() + alive + up.message("Hi") + up.end(message_item("Hi"))).text == "Hi"


def test_ids_that_rotate_become_the_first_one() -> None:
    up = Upstream()
    raw = up.begin() + up.message("Hel", "lo", id="msg_FIRST") + up.end(message_item("Hel", "lo", id="msg_last"))
    numbers = iter(range(100))
    blocks = raw.split(b"\n\n")
    rotated = [
        block if b"added" in block else block.replace(b"msg_FIRST", b"msg_%d" % next(numbers)) for block in blocks
    ]
    said = judged(b"\n\n".join(rotated))
    assert {event["item_id"] for event in said.events if "item_id" in event} == {"msg_FIRST"}
    assert said.output[0]["id"] == "msg_FIRST"
    assert said.text == "Hello"


def test_indexes_with_gaps_become_places() -> None:
    up = Upstream()
    raw = up.begin() + up.message("a", index=3) + up.call("f", "{}", index=8)
    said = judged(raw + up.end(message_item("a", id="msg_3"), call_item("f", "{}", 8)))
    assert [event["output_index"] for event in said.of("output_item.added")] == [0, 1]


def test_one_index_for_all_items() -> None:
    up = Upstream()
    raw = up.begin() + up.message("a") + up.message("b", id="msg_b") + up.end(message_item("a"), message_item("b"))
    said = judged(raw)
    assert said.text == "ab"
    assert len(said.output) == 2


def test_no_indexes_at_all() -> None:
    up = Upstream()
    raw = up.begin() + up.message("a", id="msg_a") + up.message("b", id="msg_b", index=1)
    raw += up.end(message_item("a", id="msg_a"), message_item("b", id="msg_b"))
    raw = raw.replace(b',"output_index":0', b"").replace(b',"output_index":1', b"")
    assert judged(raw).text == "ab"


@pytest.mark.parametrize("stem", ["reasoning", "reasoning_content"])
def test_other_names_of_thinking(stem: str) -> None:
    up = Upstream()
    place = {"item_id": "rs_0", "output_index": 0, "content_index": 0}
    item = {"id": "rs_0", "type": "reasoning", "summary": [], "content": []}
    final = {**item, "status": "completed", "content": [{"type": "reasoning_text", "text": "hm."}]}
    raw = up.begin() + up.event("output_item.added", output_index=0, item={**item, "status": "in_progress"})
    raw += up.event(f"{stem}.delta", **place, delta="hm") + up.event(f"{stem}.delta", **place, delta=".")
    raw += up.event(f"{stem}.done", **place, text="hm.") + up.event("output_item.done", output_index=0, item=final)
    said = judged(raw + up.end(final))
    assert said.reasoning == "hm."
    assert len(said.of("reasoning_text.delta")) == 2


def test_summaries_without_their_parts() -> None:
    up = Upstream()
    place = {"item_id": "rs_0", "output_index": 0}
    parts = [{"type": "summary_text", "text": text} for text in ("One.", "Two.")]
    final = {"id": "rs_0", "type": "reasoning", "status": "completed", "summary": parts, "content": []}
    raw = up.begin()
    for index, text in enumerate(("One.", "Two.")):
        raw += up.event("reasoning_summary_text.delta", **place, summary_index=index, delta=text)
    said = judged(raw + up.event("output_item.done", output_index=0, item=final) + up.end(final))
    assert said.output[0]["summary"] == parts
    assert [event["summary_index"] for event in said.of("reasoning_summary_part.added")] == [0, 1]


def test_items_that_only_the_end_tells_of() -> None:
    up = Upstream()
    said = judged(up.begin() + up.end(message_item("Hello"), call_item("f", "{}", 1)))
    assert (said.text, said.calls) == ("Hello", [("f", "{}")])


def test_an_empty_output_at_the_end_does_not_undo_what_was_told() -> None:
    up = Upstream()
    said = judged(up.begin() + up.message("Hello") + up.end())
    assert said.output[0]["content"][0]["text"] == "Hello"


def test_events_told_twice_are_told_once() -> None:
    blocks = whole("Hel", "lo").split(b"\n\n")
    twice = [one for block in blocks for one in ([block, block] if b".delta" not in block else [block])]
    assert judged(b"\n\n".join(twice)).text == "Hello"


def test_text_behind_the_whole_text_is_left_out() -> None:
    up = Upstream()
    late = up.event("output_text.delta", item_id="msg_0", output_index=0, content_index=0, delta="late", logprobs=[])
    said = judged(up.begin() + up.message("Hello") + late + up.end(message_item("Hello")))
    assert said.text == "Hello"


def test_empty_deltas_are_left_out() -> None:
    assert judged(whole("", "Hel", "", "lo")).text == "Hello"


def test_a_part_that_is_added_with_text() -> None:
    up = Upstream()
    place = {"item_id": "msg_0", "output_index": 0, "content_index": 0}
    item = {"id": "msg_0", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    raw = up.begin() + up.event("output_item.added", output_index=0, item=item)
    raw += up.event("content_part.added", **place, part={**TEXT, "text": "Hel"})
    raw += up.event("output_text.delta", **place, delta="lo", logprobs=[])
    said = judged(raw + up.event("output_item.done", output_index=0, item=message_item("Hello")) + up.end())
    assert said.text == "Hello"


def test_an_item_that_is_added_whole() -> None:
    up = Upstream()
    raw = up.begin() + up.event("output_item.added", output_index=0, item=message_item("Hello"))
    raw += up.event("output_item.added", output_index=1, item=call_item("f", "{}", 1))
    said = judged(raw + up.end(message_item("Hello"), call_item("f", "{}", 1)))
    assert (said.text, said.calls) == ("Hello", [("f", "{}")])


def test_thinking_that_is_closed_behind_the_message() -> None:
    up = Upstream()
    place = {"item_id": "rs_0", "output_index": 0, "content_index": 0}
    thought = {"id": "rs_0", "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
    raw = up.begin() + up.event("reasoning_text.delta", **place, delta="hm") + up.message("Hi", index=1)
    raw += up.event("reasoning_text.done", **place, text="hm")
    raw += up.event("output_item.done", output_index=0, item={**thought, "encrypted_content": "gAAA"})
    profile = replace(LOOSE, sealed_changes=True)
    said = check_stream(relayed(raw + up.end(thought, message_item("Hi", id="msg_1"))), profile=profile)
    assert said.types.index("reasoning_text.done") < said.types.index("output_text.delta")
    assert said.output[0]["encrypted_content"] == "gAAA"


def test_a_message_that_goes_on_behind_a_call() -> None:
    up = Upstream()
    place = {"item_id": "msg_0", "output_index": 0, "content_index": 0}
    raw = up.begin() + up.event("output_text.delta", **place, delta="Let me see. ", logprobs=[])
    raw += up.call("f", "{}", index=1) + up.event("output_text.delta", **place, delta="Done.", logprobs=[])
    whole_item = message_item("Let me see. Done.")
    raw += up.event("output_item.done", output_index=0, item=whole_item) + up.end(whole_item, call_item("f", "{}", 1))
    said = judged(raw)
    assert (said.text, said.calls) == ("Let me see. Done.", [("f", "{}")])
    assert [item["type"] for item in said.output] == ["message", "function_call", "message"]


def test_a_refusal() -> None:
    up = Upstream()
    place = {"item_id": "msg_0", "output_index": 0, "content_index": 0}
    part = {"type": "refusal", "refusal": "I cannot."}
    final = {**message_item(""), "content": [part]}
    raw = up.begin()
    raw += up.event("refusal.delta", **place, delta="I ") + up.event("refusal.delta", **place, delta="cannot.")
    raw += up.event("refusal.done", **place, refusal="I cannot.")
    said = judged(raw + up.event("output_item.done", output_index=0, item=final) + up.end(final))
    assert said.refusal == "I cannot."


def test_events_of_hosted_tools_are_passed_on() -> None:
    up = Upstream()
    item = {"id": "ws_0", "type": "web_search_call", "status": "in_progress"}
    place = {"item_id": "ws_0", "output_index": 0}
    raw = up.begin() + up.event("output_item.added", output_index=0, item=item)
    raw += up.event("web_search_call.searching", **place, unknown_field=1)
    raw += up.event("output_item.done", output_index=0, item={**item, "status": "completed"})
    said = judged(raw + up.end({**item, "status": "completed"}))
    assert said.of("web_search_call.searching")[0]["unknown_field"] == 1


def test_an_incomplete_response_closes_what_is_open_as_incomplete() -> None:
    raw = without(whole("Hel", "lo"), "output_text.done", "content_part.done", "output_item.done", "completed")
    up = Upstream()
    up.next = 100
    said = judged(raw + up.end(status="incomplete", incomplete_details={"reason": "max_output_tokens"}))
    assert (said.response["status"], said.output[0]["status"]) == ("incomplete", "incomplete")
    assert said.response["incomplete_details"] == {"reason": "max_output_tokens"}


@pytest.mark.parametrize("marker", [b"", b"data: [DONE]\n\n"])
def test_a_stream_without_an_end_was_cut(marker: bytes) -> None:
    end = end_of(without(whole("Hello"), "completed") + marker)
    assert (end.status, type(end.error)) == ("failed", UpstreamCut)


ERROR = {"type": "server_error", "code": "server_error", "message": "It broke.", "param": None}


@pytest.mark.parametrize(
    "error",
    [
        {"error": ERROR},
        {name: ERROR[name] for name in ("code", "message", "param")},
    ],
    ids=["nested", "flat"],
)
def test_an_error_event_ends_the_stream(error: dict[str, Any]) -> None:
    up = Upstream()
    raw = up.begin() + up.event("error", **error) + up.event("failed", response=response_object("failed", error=ERROR))
    steps = steps_of(raw)
    assert len([step for step in steps if isinstance(step, Ended)]) == 1
    end = end_of(raw)
    assert isinstance(end.error, UpstreamStreamError)
    assert end.error.message == "It broke."


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b'data: {"error":{"message":"odd","code":500}}\n\n', "odd"),
        (b'event: error\ndata: {"message":"named"}\n\n', "named"),
        (b"event: error\ndata: just words\n\n", "just words"),
        (b'error: {"message":"a line"}\n\n', "a line"),
        (b'{"error":{"message":"a body"}}', "a body"),
    ],
)
def test_errors_of_other_shapes(raw: bytes, message: str) -> None:
    end = end_of(Upstream().begin() + raw)
    assert end.error is not None
    assert end.error.message == message


def test_a_failure_in_the_final_response_alone() -> None:
    up = Upstream()
    error = {"code": "rate_limit_exceeded", "message": "Too fast."}
    end = end_of(up.begin() + up.end(status="failed", error=error))
    assert isinstance(end.error, UpstreamError)
    assert (end.error.code, end.error.status) == ("rate_limit_exceeded", 429)


def test_a_response_that_was_cancelled_upstream_has_failed() -> None:
    up = Upstream()
    end = end_of(up.begin() + up.event("incomplete", response=response_object("cancelled")))
    assert (end.status, end.error is not None) == ("failed", True)


def test_bytes_that_are_no_json_are_skipped_and_three_in_a_row_fail() -> None:
    up = Upstream()
    junk = b"data: nonsense\n\n"
    raw = up.begin() + junk + junk + up.message("Hi") + junk + up.end(message_item("Hi"))
    assert judged(raw).text == "Hi"
    assert isinstance(end_of(up.begin() + junk * 3).error, UpstreamGarbled)


def test_a_page_instead_of_a_stream() -> None:
    assert isinstance(end_of(b"<html>Bad gateway</html>").error, UpstreamGarbled)


def test_a_whole_response_instead_of_a_stream() -> None:
    assert judged(json.dumps(response_object("completed", output=[message_item("Hi")])).encode()).text == "Hi"


def test_sloppy_events_are_mended() -> None:
    raw = whole("Hel", "lo").replace(b'"content_index":0', b'"content_index":"0"')
    assert judged(raw).text == "Hello"
    half = whole("Hel", "lo").replace(b'"delta":"lo"', b'"delta":"\\ud83d"').replace(b"Hello", b"Hel\\ud83d")
    assert judged(half).text == "Hel�"


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b'"x"'])
def test_a_body_that_is_no_response(body: bytes) -> None:
    end = Repair().whole(body)[-1]
    assert isinstance(end, Ended)
    assert isinstance(end.error, UpstreamGarbled)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"message": "no", "code": "server_error"}}, UpstreamStreamError),
        (response_object("in_progress"), UpstreamGarbled),
        (response_object("queued"), UpstreamGarbled),
        (response_object("failed", error={"code": "server_error", "message": "no"}), UpstreamStreamError),
        ({"choices": []}, UpstreamStreamError),
    ],
)
def test_a_body_that_is_no_answer(body: dict[str, Any], kind: type) -> None:
    end = Repair().whole(json.dumps(body).encode())[-1]
    assert isinstance(end, Ended)
    assert type(end.error) is kind


def test_nothing_follows_the_end() -> None:
    repair = Repair()
    repair.whole(json.dumps(response_object("completed")).encode())
    assert repair.done
    assert repair.feed([(b"", b'{"type":"response.output_text.delta","delta":"x"}')]) == []
    assert repair.finish() == []


def violation(raw: bytes) -> str | None:
    """Returns how a stream breaks the grammar, if it does."""
    try:
        check_stream(raw, profile=LOOSE)
    except GrammarViolation as broken:
        return str(broken).partition(": ")[2]
    return None


MEANT = (
    None,
    "a message without a part",
    "text is no text: ''",
    "the call fc_0 is complete and should have been closed",
)
"""What an upstream may well mean: nothing was said, or a call goes on beside another item."""
BLOCKS = [block + b"\n\n" for block in (whole("Hel", "lo") + with_call("{", "}")).split(b"\n\n") if block]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(BLOCKS), max_size=25))
def test_events_in_any_order_leave_a_stream_that_keeps_to_the_grammar(blocks: list[bytes]) -> None:
    steps = steps_of(b"".join(blocks))
    ends = [step for step in steps if isinstance(step, Ended)]
    assert len(ends) == 1
    assert steps[-1] is ends[0]
    if ends[0].error is None:
        assert violation(relayed(b"".join(blocks))) in MEANT


def test_what_is_passed_on_is_numbered_anew() -> None:
    up = Upstream()
    up.next = 40
    raw = up.begin() + up.message("Hi") + up.end(message_item("Hi"))
    assert [event["sequence_number"] for event in payloads(relayed(raw))[:-1]] == list(range(9))
