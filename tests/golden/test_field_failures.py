"""One test for each failure reported from the field that concerns a stream, built from the trigger as it was reported.

The numbers are those of the review list `field-failures.md`. `run` judges every stream, so each test also says that the
result is legal; what it asserts besides is the point of the report.
"""

from __future__ import annotations

import json
from typing import Any

from proxy.api.responses.encoder_options import EncoderOptions
from tests.support.grammar import Checked, check_stream
from tests.support.machines import DONE, Form, Forms, Setup, call, chunk, translate

WHOLE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
USAGE = b"data: " + json.dumps({"choices": [], "usage": WHOLE}).encode() + b"\n\n"
AZURE = (
    b'data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0}]}\n\n'
)
ERROR = b'data: {"error":{"message":"Worker limit reached","code":502}}\n\n'
TEXT_LIFE = [
    "created", "in_progress", "output_item.added", "content_part.added", "output_text.delta", "output_text.done",
    "content_part.done", "output_item.done", "completed",
]  # fmt: skip


def run(*parts: bytes, setup: Setup | None = None) -> Checked:
    """Returns what the client is told when the upstream sends these bytes."""
    return check_stream(translate(b"".join(parts), setup=setup))


def say(text: str, finish: str | None = None) -> bytes:
    """Returns a chunk with text."""
    return chunk({"content": text}, finish)


def end(reason: str = "stop") -> bytes:
    """Returns the finish chunk."""
    return chunk({}, reason)


def items(said: Checked) -> list[str]:
    """Returns the types of the final items."""
    return [item["type"] for item in said.output]


def test_1_1_a_text_delta_has_its_item_and_part_opened() -> None:
    assert run(say("ping"), end(), DONE).types == TEXT_LIFE


def test_1_2_every_event_has_its_number_also_errors() -> None:
    for last in (DONE, ERROR, b""):
        numbers = [event["sequence_number"] for event in run(say("a"), say("b"), last).events]
        assert numbers == list(range(len(numbers)))


def test_1_3_logprobs_are_there_when_nobody_asked() -> None:
    said = run(say("a"), end(), DONE)
    assert [event["logprobs"] for event in said.of("output_text.delta") + said.of("output_text.done")] == [[], []]


def test_1_4_snapshots_are_full_and_tools_are_echoed_with_every_key() -> None:
    tool = {"type": "function", "name": "get"}
    said = run(say("a"), end(), USAGE, DONE, setup=Setup(request={"model": "m", "tools": [tool]}))
    for event in (said.events[0], said.events[1], said.events[-1]):
        assert event["response"]["tools"] == [{**tool, "description": None, "parameters": None, "strict": None}]
    assert said.response["usage"]["input_tokens_details"]["cached_tokens"] == 0
    assert said.response["usage"]["output_tokens_details"]["reasoning_tokens"] == 0


def test_1_5_every_delta_says_where_it_belongs() -> None:
    said = run(chunk({"reasoning": "r"}), say("a"), chunk(call(0, "call_a", "get", "{}")), end(), DONE)
    places = [(event["output_index"], event.get("content_index")) for event in said.events if "item_id" in event]
    assert places == [(0, 0)] * 4 + [(1, 0)] * 4 + [(2, None)] * 2


def test_1_6_an_item_keeps_its_id() -> None:
    said = run(say("a"), say("b"), end(), DONE)
    ids = {event.get("item_id") or event["item"]["id"] for event in said.events[2:-1]}
    assert ids == {said.output[0]["id"]}


def test_1_7_a_text_is_closed_before_the_call_behind_it_opens() -> None:
    said = run(say("Let me look"), chunk(call(0, "call_a", "get", '{"x":1}')), end("tool_calls"), DONE)
    order = [(kind, event.get("output_index")) for kind, event in zip(said.types, said.events, strict=True)]
    assert order.index(("output_item.done", 0)) < order.index(("output_item.added", 1))
    assert items(said) == ["message", "function_call"]


def test_1_8_a_chunk_with_thought_and_text_loses_neither() -> None:
    said = run(chunk({"reasoning_content": "think", "content": "ans"}), say("wer"), end(), DONE)
    assert (said.reasoning, said.text) == ("think", "answer")
    assert [event["delta"] for event in said.of("output_text.delta")] == ["ans", "wer"]
    assert items(said) == ["reasoning", "message"]


def test_1_9_the_end_waits_for_the_usage() -> None:
    said = run(say("a"), end(), USAGE, DONE)
    assert said.response["usage"]["total_tokens"] == 15


def test_1_10_a_chunk_without_choices_is_neither_the_end_nor_the_model() -> None:
    said = run(AZURE, say("a"), end(), DONE, setup=Setup(request={"model": "gpt"}))
    assert (said.text, said.response["model"], said.response["id"][:5]) == ("a", "gpt", "resp_")


def test_1_11_white_space_is_text() -> None:
    said = run(say("a"), say("\n\n"), say(" "), say("b"), end(), DONE)
    assert said.text == "a\n\n b"
    assert len(said.of("output_text.delta")) == 4


def test_1_11_leading_white_space_is_kept_when_text_follows() -> None:
    assert run(say("\n"), say(" "), say("b"), end(), DONE).text == "\n b"


def test_1_12_equal_deltas_are_both_data() -> None:
    assert run(say("18"), say("3"), say("3"), end(), DONE).text == "1833"


def test_1_13_truncation_is_not_success() -> None:
    for reason, told in (("length", "max_output_tokens"), ("content_filter", "content_filter")):
        said = run(say("par"), end(reason), USAGE, DONE)
        assert said.types[-1] == "incomplete"
        assert said.response["incomplete_details"] == {"reason": told}
        assert said.response["usage"]["total_tokens"] == 15
        assert said.output[0]["status"] == "incomplete"


def test_1_13_a_call_cut_by_the_length_keeps_what_came() -> None:
    said = run(chunk(call(0, "call_a", "get", '{"a":"b')), end("length"), DONE)
    assert (said.calls, said.output[0]["status"]) == ([("get", '{"a":"b')], "incomplete")


def test_1_14_done_events_are_not_left_out() -> None:
    said = run(chunk({"reasoning_content": "r"}), say("a"), end(), DONE)
    assert [event["text"] for event in said.of("reasoning_text.done") + said.of("output_text.done")] == ["r", "a"]


def test_1_15_no_empty_message_before_a_call() -> None:
    opening = chunk({"role": "assistant", "content": ""})
    for lead in (b"", say("\n\n"), chunk({"content": None, "refusal": None})):
        said = run(opening, lead, chunk(call(0, "call_a", "get", "{}")), end("tool_calls"), DONE)
        assert items(said) == ["function_call"]


def test_1_16_content_index_counts_the_parts_of_one_item() -> None:
    said = run(say("a"), chunk({"refusal": "no"}), chunk(call(0, "call_a", "get", "{}")), say("b"), end(), DONE)
    parts = [(event["output_index"], event["content_index"]) for event in said.of("content_part.added")]
    assert parts == [(0, 0), (0, 1), (2, 0)]


def test_1_17_the_model_is_the_one_that_was_asked_for() -> None:
    said = run(say("a"), end(), DONE, setup=Setup(request={"model": "smart"}))
    assert {event["response"]["model"] for event in said.events if "response" in event} == {"smart"}


def test_1_18_every_event_has_its_event_line_failures_too() -> None:
    for last in (DONE, ERROR):
        raw = translate(say("a") + last)
        frames = [frame.split(b"\n") for frame in raw.removesuffix(DONE).split(b"\n\n")[:-1]]
        assert all(name == b"event: " + json.loads(data[6:])["type"].encode() for name, data in frames)


def test_2_1_two_calls_on_one_index_are_two_calls() -> None:
    said = run(
        chunk(call(0, "call_a", "f", '{"p":"a"}')), chunk(call(0, "call_b", "f", '{"p":"b"}')), end("tool_calls"), DONE
    )  # fmt: skip
    assert said.calls == [("f", '{"p":"a"}'), ("f", '{"p":"b"}')]
    assert [item["call_id"] for item in said.output] == ["call_a", "call_b"]


def test_2_2_interleaved_calls_are_kept_apart() -> None:
    said = run(
        chunk(call(0, "call_a", "f", '{"p"')), chunk(call(1, "call_b", "g", '{"q"')),
        chunk(call(0, arguments=':"a')), chunk(call(1, arguments=':"b')),
        chunk(call(0, arguments='"}')), chunk(call(1, arguments='"}')), end("tool_calls"), DONE,
    )  # fmt: skip
    assert said.calls == [("f", '{"p":"a"}'), ("g", '{"q":"b"}')]


def test_2_3_empty_or_repeated_names_and_ids_go_on() -> None:
    first = chunk(call(0, "call_a", "f", '{"p"'))
    for more in (call(0, "", "", ":1}"), call(0, "call_a", "f", ":1}"), call(0, None, None, ":1}")):
        assert run(first, chunk(more), end("tool_calls"), DONE).calls == [("f", '{"p":1}')]


def test_2_4_a_call_without_arguments_has_an_empty_object() -> None:
    for arguments in ("", None):
        said = run(chunk(call(0, "call_a", "f", arguments)), end("tool_calls"), DONE)
        assert said.calls == [("f", "{}")]
        assert [event["delta"] for event in said.of("function_call_arguments.delta")] == ["{}"]


def test_2_5_calls_count_and_not_the_finish_reason() -> None:
    said = run(chunk(call(0, "call_a", "f", "{}")), end("stop"), DONE)
    assert (said.calls, said.response["status"]) == ([("f", "{}")], "completed")


def test_2_6_freeform_tools_come_back_as_raw_text() -> None:
    patch = '*** Begin Patch\n*** Add File: "a"\n+\\ 那 \U0001f600\n*** End Patch'
    arguments = json.dumps({"input": patch})
    setup = Setup(tools=Forms({"apply_patch": Form("custom", "apply_patch")}))
    for size in (1, 2, 7, len(arguments)):
        pieces = [arguments[start : start + size] for start in range(0, len(arguments), size)]
        more = [chunk(call(0, arguments=piece)) for piece in pieces]
        said = run(chunk(call(0, "call_a", "apply_patch", "")), *more, end("tool_calls"), DONE, setup=setup)
        assert said.calls == [("apply_patch", patch)]
        assert said.output[0]["type"] == "custom_tool_call"
        assert said.of("custom_tool_call_input.done")[0]["input"] == patch
        if size == 1:
            assert len(said.of("custom_tool_call_input.delta")) > len(patch) // 2


def test_2_7_flattened_names_are_restored() -> None:
    forms = Forms({"mcp__x__get": Form("function", "get", namespace="mcp__x"), "get": Form("function", "get")})
    calls = [chunk(call(0, "call_a", "mcp__x__get", "{}")), chunk(call(1, "call_b", "get", "{}"))]
    said = run(*calls, end("tool_calls"), DONE, setup=Setup(tools=forms))
    assert [(item["name"], item.get("namespace")) for item in said.output] == [("get", "mcp__x"), ("get", None)]


def test_3_1_thinking_is_read_in_both_fields_and_counted_once() -> None:
    for delta in ({"reasoning": "r"}, {"reasoning_content": "r"}, {"reasoning": "r", "reasoning_content": "r"}):
        assert run(chunk(delta), say("a"), end(), DONE).reasoning == "r"


def test_3_2_a_summary_delta_has_its_part() -> None:
    setup = Setup(options=EncoderOptions(reasoning="summary"))
    said = run(chunk({"reasoning": "r"}), chunk({"reasoning": "s"}), say("a"), end(), DONE, setup=setup)
    summary = "reasoning_summary_text"
    part = "reasoning_summary_part"
    assert said.types[2:9] == [
        "output_item.added", f"{part}.added", f"{summary}.delta", f"{summary}.delta", f"{summary}.done", f"{part}.done",
        "output_item.done",
    ]  # fmt: skip
    assert said.output[0]["summary"] == [{"type": "summary_text", "text": "rs"}]


def test_3_3_a_reasoning_item_has_id_and_summary() -> None:
    item: dict[str, Any] = run(chunk({"reasoning": "r"}), say("a"), end(), DONE).output[0]
    assert item["id"].startswith("rs_")
    assert item["summary"] == []


def test_3_4_reasoning_closes_when_the_answer_starts() -> None:
    for start in (say("a"), chunk(call(0, "call_a", "f", "{"))):
        said = run(chunk({"reasoning": "r"}), start, end(), DONE)
        added = said.types.index("output_item.added", 3)
        assert said.types[added - 1] == "output_item.done"


def test_6_1_an_error_in_the_stream_is_told_in_the_clients_dialect() -> None:
    said = run(say("par"), ERROR)
    assert said.types[-2:] == ["error", "failed"]
    assert said.response["error"] == {"code": "server_error", "message": "Worker limit reached"}
    assert (said.text, said.output[0]["status"]) == ("par", "incomplete")
    assert said.events[-2]["error"]["message"] == "Worker limit reached"


def test_6_2_a_stream_that_just_stops_has_failed() -> None:
    said = run(say("par"))
    assert said.response["error"]["code"] == "server_error"
    assert "closed" in said.response["error"]["message"]
    assert said.output[0]["content"][0]["text"] == "par"


def test_6_2_done_without_a_reason_is_the_end_when_there_was_output() -> None:
    assert run(say("par"), DONE).response["status"] == "completed"
    assert run(say("par"), end()).response["status"] == "completed"
    assert run(chunk({"role": "assistant", "content": ""}), DONE).response["status"] == "failed"


def test_6_5_one_broken_payload_is_skipped_three_in_a_row_are_not() -> None:
    broken = b'data: {"id":"x","choi\n\n'
    assert run(say("a"), broken, say("b"), end(), DONE).text == "ab"
    assert run(say("a"), broken, broken, say("b"), broken, broken, end(), DONE).text == "ab"
    assert run(say("a"), broken * 3, say("b"), end(), DONE).response["status"] == "failed"
