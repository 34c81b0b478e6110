"""ChatDecoder: envelopes, ends, usage and errors of chat streams. What a message says is tested with `message`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.errors import UpstreamCut, UpstreamGarbled
from proxy.events import Annotation, Event, Finish, TextDelta, UpstreamFailed
from proxy.providers.chat.decoder import new_call_id
from tests.support.decoding import END, STOP, calls, chunk, decode, decoder, payload, text, thinking, usage, whole

COUNTS = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def failure(events: list[Event]) -> UpstreamFailed:
    """Returns the failure that a stream ends in."""
    last = events[-1]
    assert isinstance(last, UpstreamFailed)
    assert not any(isinstance(event, UpstreamFailed | Finish) for event in events[:-1])
    return last


def finish(events: list[Event]) -> Finish:
    """Returns the good end of a stream."""
    last = events[-1]
    assert isinstance(last, Finish)
    assert not any(isinstance(event, UpstreamFailed | Finish) for event in events[:-1])
    return last


# --- envelopes


def test_a_plain_stream_is_text_and_an_end() -> None:
    events = decode({"role": "assistant", "content": ""}, {"content": "a"}, {"content": "b"}, STOP, END)
    assert events == [TextDelta("a"), TextDelta("b"), Finish("stop")]


def test_equal_deltas_are_both_data() -> None:
    assert text(decode({"content": "3"}, {"content": "3"}, STOP)) == "33"


def test_what_is_null_or_empty_is_absent() -> None:
    nothing = dict.fromkeys(("role", "content", "tool_calls", "refusal", "reasoning_content", "function_call"))
    assert decode(nothing, {"content": "", "reasoning": "", "tool_calls": [], "refusal": ""}, STOP) == [Finish("stop")]


def test_azures_first_chunk_without_choices_means_nothing() -> None:
    first = {"choices": [], "id": "", "model": "", "created": 0, "prompt_filter_results": [{"prompt_index": 0}]}
    events = decode(first, {"content": "a"}, {"choices": [{"index": 0, "content_filter_results": {}}]}, STOP)
    assert events == [TextDelta("a"), Finish("stop")]


def test_only_the_first_answer_is_read() -> None:
    both = {"choices": [{"index": 1, "delta": {"content": "B"}, "finish_reason": "length"}, chunk({"content": "a"})]}
    both["choices"][1] = {"index": 0, "delta": {"content": "a"}}
    assert decode(both, {"choices": [{"index": 1, "delta": {"content": "C"}}]}, STOP) == [
        TextDelta("a"),
        Finish("stop"),
    ]


def test_a_choice_without_an_index_is_the_first() -> None:
    assert text(decode({"choices": [{"delta": {"content": "a"}}]}, END)) == "a"


def test_a_message_beside_deltas_is_not_read_again() -> None:
    both = {"choices": [{"delta": {"content": "a"}, "message": {"content": "a"}}]}
    last = {"choices": [{"message": {"content": "aa"}, "finish_reason": "stop"}], "object": "chat.completion.done"}
    assert text(decode(both, both, last)) == "aa"


def test_a_chunk_may_have_a_name_of_its_own() -> None:
    named = payload({"content": "a"})[1]
    assert text(decode((b"message", named), (b"completion.chunk", named), STOP)) == "aa"


@pytest.mark.parametrize("data", [b"{}", b'{"type":"ping"}', b"", b"not JSON"])
def test_pings_say_nothing(data: bytes) -> None:
    machine = decoder()
    assert machine.feed([(b"ping", data)] * 4) == []
    assert not machine.done


def test_fields_of_a_wrong_type_do_not_hide_the_others() -> None:
    sloppy = {"choices": [{"index": "0", "delta": {"content": "a", "tool_calls": "x", "refusal": 5}, "logprobs": []}]}
    events = decode({**sloppy, "usage": [], "service_tier": 1}, {"choices": [None, *STOP["choices"]]})
    assert events == [TextDelta("a"), Finish("stop")]


def test_bytes_that_are_no_utf8_spoil_only_themselves() -> None:
    assert text(decode(b'{"choices":[{"delta":{"content":"a\xff"}}]}', STOP)) == "a\ufffd"


def test_endless_nesting_is_no_chunk() -> None:
    events = decode(b'{"x":' + b"[" * 100_000, {"content": "a"}, STOP)
    assert events == [TextDelta("a"), Finish("stop")]


def test_the_tier_that_was_used_is_told_at_the_end() -> None:
    first = {**chunk({"content": "a"}), "service_tier": "auto"}
    last = {"choices": [], "service_tier": "default", "usage": COUNTS}
    assert finish(decode(first, STOP, last)).service_tier == "default"
    assert finish(decode({**STOP, "service_tier": ""})).service_tier is None


# --- the end


@pytest.mark.parametrize("end", [b"[DONE]", b"DONE", b" [DONE] "])
def test_done_ends_the_answer_and_nothing_behind_it_counts(end: bytes) -> None:
    machine = decoder()
    events = machine.feed([payload({"content": "a"}), payload(STOP), (b"", end), payload({"content": "b"})])
    assert events == [TextDelta("a"), Finish("stop")]
    assert machine.done
    assert machine.feed([payload({"content": "c"}), payload({"error": {"message": "late"}})]) == []
    assert machine.finish() == []


def test_a_body_that_ends_behind_a_finish_reason_is_complete() -> None:
    assert finish(decode({"content": "a"}, STOP)).reason == "stop"


def test_the_finish_reason_does_not_end_the_answer() -> None:
    machine = decoder()
    machine.feed([payload(STOP)])
    assert not machine.done


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("stop", "stop"),
        ("end_turn", "stop"),
        ("tool_calls", "stop"),
        ("function_call", "stop"),
        ("tool_use", "stop"),
        ("something new", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("model_length", "length"),
        ("MAX_TOKENS", "length"),
        ("content_filter", "content_filter"),
        ("SAFETY", "content_filter"),
        ("recitation", "content_filter"),
    ],
)
def test_every_finish_reason_has_its_meaning(said: str, reason: str) -> None:
    assert finish(decode({"content": "a"}, chunk(finish=said), END)).reason == reason


def test_the_first_finish_reason_counts() -> None:
    assert finish(decode(chunk(finish="length"), chunk(finish="stop"), chunk(finish="error"))).reason == "length"


def test_text_in_the_finish_chunk_and_behind_it_is_text() -> None:
    assert text(decode(chunk({"content": "a"}, "stop"), {"content": "b"}, END)) == "ab"


def test_done_without_a_finish_reason_is_complete_if_something_was_said() -> None:
    assert finish(decode({"content": "a"}, END)).reason == "stop"
    assert isinstance(failure(decode({"content": ""}, END)).error, UpstreamGarbled)


def test_usage_alone_behind_the_answer_says_that_it_is_complete() -> None:
    assert finish(decode({"content": "a"}, {"choices": [], "usage": COUNTS})).reason == "stop"
    failure(decode({"choices": [], "usage": COUNTS}, {"content": "a"}))
    failure(decode({"content": "a"}, {"choices": [], "usage": {}}))


def test_a_body_that_just_stops_is_a_failure() -> None:
    events = decode({"content": "par"})
    assert text(events) == "par"
    error = failure(events).error
    assert isinstance(error, UpstreamCut)
    assert (error.code, error.message) == ("server_error", "The upstream closed the stream before it was complete.")


def test_an_empty_body_is_a_failure() -> None:
    assert isinstance(failure(decode()).error, UpstreamCut)


def test_calls_without_a_finish_reason_are_complete_if_their_arguments_are() -> None:
    def call(arguments: str) -> Any:
        return {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": arguments}}]}

    assert finish(decode(call('{"a":1}'), END))
    assert finish(decode(call(""), END))
    assert isinstance(failure(decode(call('{"a":'), END)).error, UpstreamCut)
    assert finish(decode(call('{"a":'), STOP, END))


def test_a_call_that_never_gets_a_name_fails_the_answer() -> None:
    events = decode({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}, chunk(finish="tool_calls"), END)
    assert isinstance(failure(events).error, UpstreamGarbled)
    assert calls(events) == []


# --- usage


def test_usage_is_read_wherever_it_stands_and_the_last_counts() -> None:
    more = {**COUNTS, "total_tokens": 20}
    counted = usage(decode({**chunk({"content": "a"}), "usage": COUNTS}, {**STOP, "usage": None}, {"usage": more}))
    assert counted is not None
    assert counted.total_tokens == 20


def test_groqs_usage_is_read_and_not_added() -> None:
    counted = usage(decode({"content": "a"}, {**STOP, "x_groq": {"usage": COUNTS}}))
    assert counted is not None
    assert counted.total_tokens == 15
    both = [event for event in decode({**STOP, "x_groq": {"usage": COUNTS}, "usage": COUNTS}) if event == counted]
    assert len(both) == 1


@pytest.mark.parametrize("failing", [chunk(finish="error"), {**chunk(), "error": {"message": "x"}}])
def test_usage_in_the_chunk_that_fails_counts(failing: Any) -> None:
    events = decode({"content": "a"}, {**failing, "usage": COUNTS})
    failure(events)
    assert usage(events) is not None


# --- errors


def test_an_error_chunk_fails_the_answer_with_its_words() -> None:
    events = decode({"content": "par"}, {"error": {"message": "Worker limit reached", "code": 502}}, {"content": "no"})
    assert text(events) == "par"
    assert failure(events).error.message == "Worker limit reached"


def test_a_failed_choice_is_never_a_success() -> None:
    broken = {"message": "broke", "code": 502}
    assert failure(decode(chunk(finish="error", error=broken))).error.message == "broke"
    assert failure(decode({**chunk(finish="error"), "error": broken})).error.message == "broke"
    assert failure(decode({**chunk(finish="stop"), "error": broken})).error.message == "broke"
    assert failure(decode(chunk({"content": "a"}, error=broken), STOP)).error.message == "broke"


@pytest.mark.parametrize("reason", ["error", "abort", "insufficient_system_resource"])
def test_some_finish_reasons_are_failures(reason: str) -> None:
    assert reason in failure(decode({"content": "a"}, chunk(finish=reason), END)).error.message


def test_the_text_of_the_chunk_that_fails_is_kept() -> None:
    assert text(decode({**chunk({"content": "last"}), "error": {"message": "x"}})) == "last"


def test_an_error_behind_the_finish_reason_changes_nothing() -> None:
    late = {"error": {"code": 400, "message": "Token limit reached"}, **chunk({"content": ""})}
    assert finish(decode({"content": "a"}, chunk(finish="length"), late, END)).reason == "length"
    assert finish(decode({"content": "a"}, STOP, (b"error", b'{"message":"x"}'), END)).reason == "stop"


@pytest.mark.parametrize(
    "frame",
    [
        (b"error", b'{"error":{"message":"broke","code":"tool_use_failed"}}'),
        (b"error", b'{"message":"broke","code":"tool_use_failed"}'),
        (b"", b'{"error":{"message":"broke","code":"tool_use_failed"}}'),
        (b"", b'{"object":"error","message":"broke","code":"tool_use_failed"}'),
        (b"", b'{"message":"broke","type":"x","code":"tool_use_failed"}'),
        (b"", b'{"x_groq":{"error":{"message":"broke","code":"tool_use_failed"}}}'),
        (b"unframed", b'{\n "error": {"message": "broke", "code": "tool_use_failed"}\n}'),
        (b"unframed", b'[{"error": {"message": "broke", "code": "tool_use_failed"}}]'),
    ],
)
def test_errors_are_found_in_every_frame(frame: Any) -> None:
    error = failure(decode({"content": "par"}, frame)).error
    assert (error.message, error.code) == ("broke", "tool_use_failed")


def test_an_error_of_plain_words_is_an_error() -> None:
    assert failure(decode((b"error", b"out of memory"))).error.message == "out of memory"


def test_a_body_that_is_no_stream_and_no_json_is_garbled() -> None:
    error = failure(decode((b"unframed", b"<html>Bad gateway</html>"))).error
    assert isinstance(error, UpstreamGarbled)
    assert "neither an event stream nor JSON" in error.message
    assert finish(decode({"content": "a"}, STOP, (b"unframed", b"junk")))
    assert isinstance(failure(decode({"content": "a"}, (b"unframed", b"junk"))).error, UpstreamCut)


def test_an_empty_error_field_is_none() -> None:
    assert finish(decode({**chunk({"content": "a"}), "error": None}, {**STOP, "error": {}}, END))


def test_a_broken_payload_is_skipped_and_counted() -> None:
    machine = decoder()
    events = machine.feed([payload({"content": "a"}), (b"", b'{"id":"x","choi'), payload({"content": "b"})])
    assert text(events) == "ab"
    assert machine.malformed == 1
    assert finish(machine.feed([payload(STOP), END]))


def test_three_broken_payloads_in_a_row_are_too_many() -> None:
    broken = (b"", b"{")
    assert text(decode(broken, broken, {"content": "a"}, broken, broken, STOP)) == "a"
    assert isinstance(failure(decode({"content": "a"}, broken, broken, broken)).error, UpstreamGarbled)
    assert finish(decode({"content": "a"}, STOP, broken, broken, broken))


# --- halves of surrogate pairs

HALF, OTHER_HALF = '"\\ud83d"', '"\\ude00"'


@pytest.mark.parametrize("field", ["content", "reasoning_content", "reasoning", "refusal", "thinking"])
def test_a_pair_cut_over_two_chunks_is_joined(field: str) -> None:
    events = decode(
        *(f'{{"choices":[{{"delta":{{"{field}":{half}}}}}]}}'.encode() for half in (HALF, OTHER_HALF)), STOP
    )
    assert [event.text for event in events if hasattr(event, "text")] == ["\U0001f600"]


def test_a_half_that_stays_alone_is_replaced() -> None:
    half = f'{{"choices":[{{"delta":{{"content":{HALF}}}}}]}}'.encode()
    assert text(decode(half, {"content": "x"}, STOP)) == "\ufffdx"
    assert text(decode(half, STOP)) == "\ufffd"


PLACES = [
    '{"error":{"message":%s}}',
    '{"error":{"type":%s}}',
    '{"error":{"code":502,"param":%s}}',
    '{"error":%s}',
    '{"choices":[{"error":{"message":%s}}]}',
    '{"detail":%s}',
    '{"message":%s,"type":"x"}',
    '{"choices":[{"delta":{"thinking":%s}}]}',
    '{"choices":[{"message":{"reasoning":{"content":%s}}}]}',
    '{"choices":[{"delta":{"reasoning_details":[{"type":"reasoning.text","text":%s}]}}]}',
    '{"choices":[{"delta":{"thinking_blocks":[{"thinking":%s}]}}]}',
    '{"choices":[{"delta":{"content":[{"type":"text","text":%s}]}}]}',
    '{"choices":[{"delta":{"content":"a","annotations":[{"type":"url_citation","url_citation":{"url":%s}}]}}]}',
    '{"choices":[{"delta":{"content":"a"},"logprobs":{"content":[{"token":%s,"logprob":0}]}}]}',
    '{"choices":[{"delta":{"content":"a"}}],"citations":[%s],"service_tier":%s}',
    '{"choices":[{"delta":{"tool_calls":[{"index":0,"id":%s,"function":{"name":%s,"arguments":%s}}]}}]}',
    '{"choices":[{"delta":{"tool_calls":[{"index":0,"custom":{"name":%s,"input":%s}}]}}]}',
    '{"choices":[{"delta":{"function_call":{"name":"f","arguments":{"a":%s}}}}]}',
    '{"choices":[{"delta":{"audio":{"transcript":%s}}}]}',
    '{"choices":[{"finish_reason":%s}]}',
]


def every_string(value: Any) -> list[str]:
    """Returns all strings in a value, of structs and errors too."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for one in value.items() for text in every_string(one)]
    if isinstance(value, list | tuple):
        return [text for one in value for text in every_string(one)]
    if isinstance(value, UpstreamFailed):
        return every_string(value.error.to_dict())
    fields = getattr(value, "__struct_fields__", ())
    return [text for name in fields for text in every_string(getattr(value, name))]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("half", [HALF, OTHER_HALF, '"a\\ude00\\ud83d"'])
def test_no_half_gets_out_from_anywhere(place: str, half: str) -> None:
    body = place.replace("%s", half).encode()
    for events in (decode(body, STOP, END), decode((b"error", body)), whole(body)):
        "".join(every_string(events)).encode()


# --- whole answers


def completion(message: Any, finish: str | None = "stop", **more: Any) -> dict[str, Any]:
    """Returns a chat completion."""
    return {"object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": finish}], **more}


def test_a_whole_answer_has_everything_in_one() -> None:
    message = {
        "reasoning_content": "r",
        "content": "t",
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    }
    events = whole(completion(message, "tool_calls", usage=COUNTS, service_tier="flex"))
    assert (thinking(events), text(events), calls(events)) == ("r", "t", [("c", "f", "{}")])
    assert finish(events) == Finish("stop", "flex")
    assert usage(events) is not None


def test_a_whole_answer_without_a_word_is_complete() -> None:
    assert whole(completion({"content": None})) == [Finish("stop")]


def test_a_whole_answer_needs_no_finish_reason() -> None:
    assert finish(whole(completion({"content": "a"}, None)))


def test_a_whole_body_behind_a_stream_request_is_an_answer() -> None:
    body = json.dumps(completion({"content": "a"}, None), indent=1).encode()
    assert decode((b"unframed", body)) == [TextDelta("a"), Finish("stop")]


def test_an_error_of_status_200_is_no_answer() -> None:
    error = failure(whole({"error": {"message": "model not found", "code": 404}})).error
    assert (error.status, error.message) == (404, "model not found")


@pytest.mark.parametrize("body", [b"<html>502</html>", b"null", b"[]", b'{"choices":'])
def test_a_body_that_is_no_json_object_is_garbled(body: bytes) -> None:
    error = failure(whole(body)).error
    assert isinstance(error, UpstreamGarbled)
    assert error.message == "The upstream's answer is not JSON."


@pytest.mark.parametrize("body", [b"", b" \n", b"{}", b'{"choices":[]}'])
def test_a_body_without_an_answer_is_garbled(body: bytes) -> None:
    assert isinstance(failure(whole(body)).error, UpstreamGarbled)


# --- citations of the whole answer


def test_lists_of_citations_become_annotations_once_at_the_end() -> None:
    cited = {"citations": ["https://a", "https://b"], "search_results": [{"url": "https://a", "title": "A"}]}
    events = decode({**chunk({"content": "x"}), **cited}, {**chunk({"content": "y"}), **cited}, {**STOP, **cited}, END)
    assert events[2:] == [
        *(
            Annotation({"type": "url_citation", "url": url, "title": title, "start_index": 0, "end_index": 0})
            for url, title in (("https://a", "A"), ("https://b", "https://b"))
        ),
        Finish("stop"),
    ]


def test_an_address_that_has_an_annotation_is_not_cited_again() -> None:
    cited = {"type": "url_citation", "url_citation": {"url": "https://a", "start_index": 0, "end_index": 1}}
    events = decode({"content": "x", "annotations": [cited]}, {**STOP, "citations": ["https://a"]})
    assert len([event for event in events if isinstance(event, Annotation)]) == 1


def test_made_call_ids_are_fresh() -> None:
    assert new_call_id() != new_call_id()
    assert new_call_id().startswith("call_")
