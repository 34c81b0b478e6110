import json

import msgspec
import pytest
from msgspec.structs import asdict

from proxy.api.responses.items import decode_item, plain_messages
from proxy.api.responses.request import ResponsesRequest
from proxy.errors import BadRequest
from tests.support.asked import assistant, call, chat, function, output, request, user


def body(made):
    return {name: json.loads(bytes(raw)) for name, raw in made.fields.items()}


def test_fields_stay_bytes_until_somebody_reads_them():
    made = ResponsesRequest.parse(b'{"model":"m","input":[{"broken":1}],"tools":"wrong","unknown":{ "a" : 1.0 }}')
    assert made.model == "m"
    assert bytes(made.fields["unknown"]) == b'{ "a" : 1.0 }'
    with pytest.raises(BadRequest):
        made.value("tools")


def test_a_text_is_one_message_of_the_user():
    assert chat(input="hello").messages == [{"role": "user", "content": "hello"}]


def test_values_are_decoded_again_when_the_field_is_another():
    made = request(temperature=0.5)
    assert made.value("temperature") == 0.5
    made.set("temperature", 1.5)
    assert made.value("temperature") == 1.5
    made.drop("temperature")
    assert made.value("temperature") is None


@pytest.mark.parametrize("wrong", ["[[]]", "1", '"x"', "1e400"])
def test_a_wrong_stream_is_refused_in_the_same_words_whoever_reads_it_first(wrong):
    made = [ResponsesRequest.parse(b'{"model":"m","input":"x","stream":%b}' % wrong.encode()) for _ in "ab"]
    with pytest.raises(BadRequest) as first:
        made[0].validate()
    with pytest.raises(BadRequest) as second:
        _ = made[1].stream
    assert str(first.value) == str(second.value)
    assert not ResponsesRequest.parse(b'{"model":"m","input":"x","stream":null}').stream


def test_items_and_tools_are_read_again_when_the_input_is_another():
    made = request(input=[{"type": "additional_tools", "tools": [function("f")]}, user("x")])
    assert [tool.name for tool in made.tools] == ["f"]
    assert len(made.turns()[0]) == 1
    made.set("input", [user("a"), assistant("b")])
    assert made.tools == []
    assert len(made.turns()[0]) == 2


def test_every_text_is_found_with_its_path():
    made = request(
        instructions="sys",
        input=[
            user("one"),
            {
                "role": "user",
                "content": [{"type": "input_text", "text": "two"}, {"type": "input_text", "text": "three"}],
            },
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "four"}]},
            call("a"),
            output("a", "five"),
        ],
    )
    assert [(text.path, text.text) for text in made.texts()] == [
        ("instructions", "sys"),
        ("input[0].content", "one"),
        ("input[1].content[0].text", "two"),
        ("input[1].content[1].text", "three"),
        ("input[2].content[0].refusal", "four"),
        ("input[3].name", made.items[3].name),
        ("input[3].arguments", made.items[3].arguments),
        ("input[4].output", "five"),
    ]
    assert [text.path for text in request(input="x").texts()] == ["input"]


def test_texts_are_replaced_where_they_stand_and_nowhere_else():
    items = [
        {"role": "user", "id": "msg_1", "private": {"keep": 1}, "content": [{"type": "input_text", "text": "secret"}]},
        call("a", arguments='{"secret":1}'),
        output("a", "secret"),
    ]
    made = request(instructions="secret", input=items)
    made.validate()
    for text in made.texts():
        if not text.path.endswith(".name"):
            text.replace(text.text.upper())
            assert text.text in ("SECRET", '{"SECRET":1}')
    assert body(made)["instructions"] == "SECRET"
    changed = body(made)["input"]
    assert changed[0] == {**items[0], "content": [{"type": "input_text", "text": "SECRET"}]}
    assert changed[1] == {**items[1], "arguments": '{"SECRET":1}'}
    assert changed[2]["output"] == "SECRET"
    assert [text.text for text in made.texts()] == ["SECRET", "SECRET", "f", '{"SECRET":1}', "SECRET"]
    assert [turn.content for turn in made.turns()[0][:1]] == [made.items[0].content]


def test_the_one_text_of_a_plain_input_is_replaced():
    made = request(input="secret")
    for text in made.texts():
        text.replace("public")
    assert body(made)["input"] == "public"


def test_a_copy_goes_its_own_way():
    made = request(input=[user("a"), user("b")], temperature=1)
    made.validate()
    twin = made.copy()
    twin.set("temperature", 0)
    for text in twin.texts():
        text.replace("changed")
    assert (made.value("temperature"), twin.value("temperature")) == (1.0, 0.0)
    assert [text.text for text in made.texts()] == ["a", "b"]
    assert [text.text for text in twin.texts()] == ["changed", "changed"]
    for text in made.texts():
        text.replace("other")
    assert [text.text for text in twin.texts()] == ["changed", "changed"]
    assert body(made)["input"][0]["content"] == "other"


def test_a_copy_of_a_changed_request_has_the_change():
    made = request(input=[user("a")])
    for text in made.texts():
        text.replace("b")
    assert body(made.copy())["input"] == [user("b")]


@pytest.mark.parametrize(
    ("instructions", "where", "expected"),
    [
        (None, "prepend", "new"),
        (None, "append", "new"),
        ("", "append", "new"),
        ("old", "prepend", "new\n\nold"),
        ("old", "append", "old\n\nnew"),
    ],
)
def test_instructions_are_added(instructions, where, expected):
    made = request(instructions=instructions)
    made.add_instructions("new", where)
    assert body(made)["instructions"] == expected
    assert made.client_instructions == instructions


def test_instructions_are_added_again_and_again():
    made = request(instructions="client's")
    made.add_instructions("b", "prepend")
    made.add_instructions("a", "prepend")
    made.add_instructions("c", "append")
    assert made.value("instructions") == "a\n\nb\n\nclient's\n\nc"
    assert made.client_instructions == "client's"


def test_wants():
    made = request(include=["reasoning.encrypted_content"])
    assert made.wants("reasoning.encrypted_content")
    assert not made.wants("message.output_text.logprobs")
    assert not request(include=None).wants("reasoning.encrypted_content")


@pytest.mark.parametrize("raw", [b"", b"[]", b'"text"', b"null", b"{", b'{"model":"m"}}', b'{"a":\xff}'])
def test_what_is_no_object_is_refused(raw):
    with pytest.raises(BadRequest) as caught:
        ResponsesRequest.parse(raw)
    assert caught.value.code == "invalid_json"


def test_a_body_nested_without_end_is_refused():
    depth = 100_000
    raw = b'{"model":"m","input":' + b"[" * depth + b"]" * depth + b"}"
    with pytest.raises(BadRequest) as caught:
        ResponsesRequest.parse(raw)
    assert caught.value.code == "invalid_json"


def test_what_was_decoded_is_let_go_of_and_decoded_anew() -> None:
    made = request(input=[user("one"), assistant("two")], tools=[function("f")], temperature=0.5)
    before = body(made), len(made.items), len(made.turns()[0]), [tool.name for tool in made.tools]
    next(iter(made.texts())).replace("1")
    twin = made.copy()
    made.forget()
    for one in (made, twin):
        assert [text.text for text in one.texts()] == ["1", "two"]
        assert one.value("temperature") == 0.5
        assert (len(one.items), len(one.turns()[0]), [tool.name for tool in one.tools]) == before[1:]
    assert body(made) == body(twin) != before[0]


TEXT = {"type": "input_text", "text": "hi"}
PLAIN = {
    "a string": 'say "hi" \u2028',
    "a message": [{"role": "user", "content": "hi"}],
    "a conversation": [
        {"type": "message", "role": "developer", "content": "be kind"},
        {"id": "msg_1", "role": "user", "content": [TEXT, {"type": "text", "text": "there"}], "status": "completed"},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "yes", "annotations": []}],
        },
        {"type": None, "role": "system", "content": []},
    ],
}


@pytest.mark.parametrize("given", PLAIN.values(), ids=PLAIN)
def test_messages_of_text_are_read_in_one_step(given):
    """What comes of it is what comes of each item that is read by itself."""
    made = request(input=given)
    listed = given if isinstance(given, list) else [{"type": "message", "role": "user", "content": given}]
    assert made.is_plain
    assert [json.loads(bytes(one)) for one in made.raw_items] == listed
    for item, raw in zip(made.items, made.raw_items, strict=True):
        assert asdict(item) == asdict(decode_item(raw, "input"))
    made.validate()
    twin = made.copy()
    twin.put_texts([(("input",) if isinstance(given, str) else ("input", 0, "content"), "other")])
    assert [next(iter(one.texts())).text for one in (made, twin)] == [listed[0]["content"], "other"]


@pytest.mark.parametrize(
    "given",
    [
        "",
        None,
        [],
        7,
        [7],
        [{"role": "tool", "content": "hi"}],
        [{"role": "user"}],
        [{"type": "messages", "role": "user", "content": "hi"}],
        [{"role": "user", "content": [{"type": "input_image", "image_url": "data:,"}]}],
        [{"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}],
        [{"role": "user", "content": "hi"}, {"type": "item_reference", "id": "msg_1"}],
        [{"role": "user", "content": "hi", "id": 7}],
    ],
)
def test_whatever_else_an_input_may_be_is_read_item_by_item(given):
    assert plain_messages(msgspec.Raw(json.dumps(given).encode())) in (None, "", [])


def test_an_input_whose_texts_were_replaced_is_written_anew():
    made = request(input=PLAIN["a conversation"])
    made.put_texts([(("input", 1, "content", 0, "text"), "bye")])
    assert body(made)["input"][1]["content"][0]["text"] == "bye"
    assert not made.is_plain


@pytest.mark.parametrize("text", ['"\\ud800"', '"\\ud800x"', '"a\\q"', '"a\nb"'])
def test_a_text_that_is_none_never_comes_so_far(text):
    """What is passed on as it came must have been read as JSON once."""
    with pytest.raises(BadRequest):
        ResponsesRequest.parse(b'{"model":"m","input":' + text.encode() + b"}")
