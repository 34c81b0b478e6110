import json

import pytest

from proxy.events import OutputItem, ReasoningDelta, ReasoningState, TextDelta, ToolCallDelta, ToolCallStart
from proxy.providers.gemini.decoder import GeminiDecoder
from proxy.providers.gemini.state import image_key
from tests.support.gemini import MADE_BY, STOP, decode, response


def told(*parts, **more):
    """Returns the events of an answer of these parts, without its end."""
    return decode(response(*parts, **more), STOP)[:-1]


def entries(events):
    return [entry for event in events if isinstance(event, ReasoningState) for entry in event.state["details"]]


def calls(events):
    starts = {event.key: (event.call_id, event.name) for event in events if isinstance(event, ToolCallStart)}
    texts = dict.fromkeys(starts, "")
    for event in events:
        if isinstance(event, ToolCallDelta):
            texts[event.key] += event.arguments
    return [(*starts[key], text) for key, text in texts.items()]


def items(events):
    return [event.item for event in events if isinstance(event, OutputItem)]


def call(name="f", args=None, **more):
    return {"functionCall": {"name": name, **({} if args is None else {"args": args}), **more}}


def test_text_and_thoughts_in_their_order():
    assert told({"text": "hm", "thought": True}, {"text": "a"}, {"text": ""}, {"text": "b"}) == [
        ReasoningDelta("hm", summary=True),
        TextDelta("a"),
        TextDelta("b"),
    ]


def test_a_whole_call_is_told_at_once_as_compact_json():
    assert calls(told(call("f", {"a": [1, {"b": "u"}]}, id="own"))) == [("own", "f", '{"a":[1,{"b":"u"}]}')]


def test_calls_without_arguments_or_ids():
    assert calls(told(call("f"), call("g", {}))) == [("made_1", "f", "{}"), ("made_2", "g", "{}")]


def test_ids_are_unique_and_no_longer_than_clients_may_send_back():
    said = calls(told(call(id="x"), call(id="x"), call(id="y" * 65), call(id="")))
    assert [id for id, _, _ in said] == ["x", "made_1", "made_2", "made_3"]


def test_a_signature_stands_in_front_of_its_call():
    events = told({**call(id="x"), "thoughtSignature": "c2ln"})
    assert isinstance(events[0], ReasoningState)
    assert entries(events) == [
        {
            "type": "reasoning.encrypted",
            "format": "google-gemini-v1",
            "data": "c2ln",
            "made_by": MADE_BY,
            "on": "call",
            "id": "x",
        }
    ]


def test_signatures_on_text_say_which_of_its_characters():
    events = told(
        {"text": "ab", "thoughtSignature": "MQ=="}, {"text": "cde"}, {"text": "", "thoughtSignature": "Mg=="},
        call(), {"text": "f", "thoughtSignature": "Mw=="}, {"thoughtSignature": "NA=="},
    )  # fmt: skip
    assert [(entry["data"], entry["range"]) for entry in entries(events)] == [
        ("MQ==", [0, 2]),
        ("Mg==", [5, 5]),
        ("Mw==", [0, 1]),
        ("NA==", [1, 1]),
    ]


def test_a_signed_thought_is_kept_with_its_text():
    (entry,) = entries(told({"text": "hm", "thought": True, "thoughtSignature": "c2ln"}))
    assert (entry["on"], entry["text"]) == ("thought", "hm")


CODE = {"executableCode": {"language": "PYTHON", "code": "print(1)", "id": "c1"}, "thoughtSignature": "c2ln"}


@pytest.mark.parametrize(
    ("outcome", "status"),
    [("OUTCOME_OK", "completed"), ("OUTCOME_FAILED", "failed"), ("OUTCOME_DEADLINE_EXCEEDED", "incomplete")],
)
def test_code_and_what_came_of_it_are_one_item(outcome, status):
    events = told(CODE, {"codeExecutionResult": {"outcome": outcome, "output": "1\n", "id": "c1"}}, {"text": "done"})
    assert items(events) == [
        {
            "type": "code_interpreter_call",
            "status": status,
            "code": "print(1)",
            "container_id": "c1",
            "outputs": [{"type": "logs", "logs": "1\n"}],
        }
    ]


def test_both_parts_are_kept_as_they_were():
    result = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n", "id": "c1"}}
    assert [entry["part"] for entry in entries(told(CODE, result))] == [CODE, result]


def test_code_that_nothing_came_of_is_told_before_what_follows():
    events = told(CODE, {"text": "so"})
    assert items(events)[0]["outputs"] is None
    assert [type(event) for event in events] == [ReasoningState, OutputItem, TextDelta]


def test_results_find_their_code_by_id():
    other = {"executableCode": {"code": "print(2)", "id": "c2"}}
    events = told(CODE, other, {"codeExecutionResult": {"output": "2", "id": "c2"}})
    assert [(item["code"], item["outputs"]) for item in items(events)] == [
        ("print(2)", [{"type": "logs", "logs": "2"}]),
        ("print(1)", None),
    ]


def test_an_image_is_an_item_and_a_sketch_or_a_sound_is_not():
    image = {"inlineData": {"mimeType": "image/png", "data": "aW1n"}}
    assert items(told(image, {**image, "thought": True}, {"inlineData": {"mimeType": "audio/wav", "data": "x"}})) == [
        {"type": "image_generation_call", "status": "completed", "result": "aW1n", "output_format": "png"}
    ]


def test_the_signature_of_an_image_knows_it_by_its_bytes():
    image = {"inlineData": {"mimeType": "image/png", "data": "aW1n"}, "thoughtSignature": "c2ln"}
    events = told({"text": "a"}, image, {"inlineData": {"mimeType": "image/png", "data": "b3Ro"}})
    assert [type(event) for event in events] == [TextDelta, ReasoningState, OutputItem, OutputItem]
    (entry,) = entries(events)
    assert (entry["on"], entry["id"], entry["data"]) == ("image", image_key("aW1n"), "c2ln")


def test_a_search_of_googles_is_an_item_and_goes_back_as_it_was():
    search = {"toolCall": {"toolType": "GOOGLE_SEARCH_WEB", "args": {"queries": ["a", "b"]}, "id": "t1"}}
    found = {"toolResponse": {"toolType": "GOOGLE_SEARCH_WEB", "response": {"x": 1}, "id": "t1"}}
    events = told({**search, "thoughtSignature": "c2ln"}, found)
    assert items(events) == [
        {
            "type": "web_search_call",
            "status": "completed",
            "action": {"type": "search", "query": "a", "queries": ["a", "b"]},
        }
    ]
    assert [entry["part"] for entry in entries(events)] == [{**search, "thoughtSignature": "c2ln"}, found]


def piece(*args, more=True):
    return {"functionCall": {"partialArgs": list(args), **({"willContinue": True} if more else {})}}


def test_arguments_in_pieces_are_told_at_the_end_of_the_call():
    start = {"functionCall": {"name": "f", "willContinue": True}}
    some = {"jsonPath": "$.a", "stringValue": "x", "willContinue": True}
    assert calls(told(start, piece(some), piece({"jsonPath": "$.a", "stringValue": "y"}), {"functionCall": {}})) == [
        ("made_1", "f", '{"a":"xy"}')
    ]
    assert calls(told(start, piece(some, more=False), call("g"))) == [
        ("made_1", "f", '{"a":"x"}'),
        ("made_2", "g", "{}"),
    ]
    assert calls(told(start, piece(some), {"text": "so"})) == [("made_1", "f", '{"a":"x"}')]


def test_arguments_in_pieces_can_be_told_as_they_come():
    def spoken(*parts):
        machine = GeminiDecoder(MADE_BY, lambda: "call_1", at_once=True)
        return machine.feed([(b"", json.dumps(response(part)).encode()) for part in (*parts, {"text": ""})]) + (
            machine.feed([(b"", json.dumps(STOP).encode())]) + machine.finish()
        )

    start = {"functionCall": {"name": "f", "willContinue": True}}
    some = {"jsonPath": "$.a", "stringValue": "x", "willContinue": True}
    events = spoken(start, piece(some), piece({"jsonPath": "$.a", "stringValue": "y"}), {"functionCall": {}})
    assert [event.arguments for event in events if isinstance(event, ToolCallDelta)] == ['{"a":"x', 'y"', "}"]
    one, two = {"jsonPath": "$.a.b", "numberValue": 1}, {"jsonPath": "$.a", "numberValue": 2}
    failed = spoken(start, piece(one), piece(two), {"functionCall": {}})[-1]
    assert str(failed.error) == "The upstream changed the arguments of a tool call after they had been sent."


def test_a_call_that_was_cut_keeps_what_is_not_known_to_be_whole():
    events = decode(response({"functionCall": {"name": "f", "willContinue": True}}))
    assert calls(events[:-1]) == [("made_1", "f", "")]


def test_pieces_of_no_call_fail_the_answer_and_empty_ones_do_not():
    assert not told({"functionCall": {}})
    failed = decode(response(piece({"jsonPath": "$.a", "stringValue": "x"})), STOP)[-1]
    assert str(failed.error) == "The upstream sent a tool call without a name."
