"""The chat request: what is refused, what stages can read and change, and that nothing else is touched."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.api.chat.request import ChatRequest
from proxy.errors import BadRequest

HELLO = {"role": "user", "content": "Hello"}


def make(messages: Any = None, **fields: Any) -> ChatRequest:
    body = {"model": "m", "messages": [HELLO] if messages is None else messages, **fields}
    return ChatRequest.parse(json.dumps(body).encode())


def messages_of(request: ChatRequest) -> Any:
    return json.loads(bytes(request.fields["messages"]))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"stream": True, "stream_options": {"include_usage": True}},
        {"stream": None, "stream_options": None, "n": None},
        {"n": 3},
        {"messages": [{"role": "somebody", "content": {"odd": 1}, "extra": [1]}], "unknown": {"a": 1}},
        {"messages": [{"role": "assistant", "content": None, "tool_calls": [{"id": "x"}]}]},
        {"messages": [{"role": "user"}]},
    ],
)
def test_what_an_upstream_may_know_better_is_not_refused(fields) -> None:
    make(**fields).validate()


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"messages": [HELLO]}, "model", "missing_required_parameter"),
        ({"model": 1, "messages": [HELLO]}, "model", "invalid_type"),
        ({"model": "m"}, "messages", "missing_required_parameter"),
        ({"model": "m", "messages": "hi"}, "messages", "invalid_type"),
        ({"model": "m", "messages": None}, "messages", "invalid_type"),
        ({"model": "m", "messages": []}, "messages", "empty_array"),
        ({"model": "m", "messages": [HELLO, "hi"]}, "messages[1]", "invalid_type"),
        ({"model": "m", "messages": [HELLO, {"content": "x"}]}, "messages[1].role", "missing_required_parameter"),
        ({"model": "m", "messages": [{"role": 7}]}, "messages[0].role", "invalid_type"),
        ({"model": "m", "messages": [HELLO], "stream": "yes"}, "stream", "invalid_type"),
        ({"model": "m", "messages": [HELLO], "stream_options": True}, "stream_options", "invalid_type"),
        ({"model": "m", "messages": [HELLO], "n": 0}, "n", "invalid_value"),
        ({"model": "m", "messages": [HELLO], "n": "2"}, "n", "invalid_value"),
        ({"model": "m", "messages": [HELLO], "n": True}, "n", "invalid_value"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(body, param, code) -> None:
    with pytest.raises(BadRequest) as caught:
        ChatRequest.parse(json.dumps(body).encode()).validate()
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, param, code)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b"\xff"])
def test_a_body_that_is_no_object_is_refused(body) -> None:
    with pytest.raises(BadRequest) as caught:
        ChatRequest.parse(body)
    assert caught.value.code == "invalid_json"


@pytest.mark.parametrize(("fields", "param"), [({"n": 2}, "n"), ({"modalities": ["text", "audio"]}, "modalities")])
def test_what_only_a_pass_through_can_do(fields, param) -> None:
    with pytest.raises(BadRequest) as caught:
        make(**fields).check_translatable()
    assert caught.value.param == param


def test_everything_else_can_be_translated() -> None:
    make(n=1, modalities=["text"]).check_translatable()
    make(n=None, modalities=None).check_translatable()


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"include_usage": True}, True), ({"include_usage": False}, False), ({}, False), (None, False)],
)
def test_include_usage(options, expected) -> None:
    assert make(stream_options=options).include_usage is expected


PARTS = [
    {"role": "system", "content": "Be kind."},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "Look", "x": 1e3},
            {"type": "image_url", "image_url": {"url": "data:,"}},
            {"type": "text", "text": "here"},
        ],
    },
    {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]},
    {"role": "tool", "tool_call_id": "c", "content": "14 °C"},
    {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
    {"role": "user", "content": 5},
]


def test_texts_are_all_that_the_model_reads() -> None:
    assert [(one.path, one.text) for one in make(PARTS).texts()] == [
        ("messages[0].content", "Be kind."),
        ("messages[1].content[0].text", "Look"),
        ("messages[1].content[2].text", "here"),
        ("messages[2].tool_calls[0].function.name", "f"),
        ("messages[2].tool_calls[0].function.arguments", "{}"),
        ("messages[3].content", "14 °C"),
        ("messages[4].content[0].refusal", "No."),
    ]


def test_texts_can_be_replaced_while_they_are_read() -> None:
    request = make(PARTS, temperature=0.5)
    for one in request.texts():
        if not one.path.endswith(".name"):
            one.replace(one.text.upper())
            assert one.text == one.text.upper()
    found = messages_of(request)
    assert [one.text for one in request.texts()] == ["BE KIND.", "LOOK", "HERE", "f", "{}", "14 °C", "NO."]
    assert found[1]["content"][0] == {"type": "text", "text": "LOOK", "x": 1e3}
    assert found[1]["content"][1] == PARTS[1]["content"][1]
    assert found[2] == PARTS[2]
    assert found[5] == PARTS[5]
    assert request.get("temperature") == 0.5


def test_only_the_message_that_changes_is_written_anew() -> None:
    raw = b'{"model":"m","messages":[{"role":"user", "content":"a"},{"role":"user","content":"b", "n":1.50}]}'
    request = ChatRequest.parse(raw)
    next(iter(request.texts())).replace("c")
    assert (
        bytes(request.fields["messages"]) == b'[{"role":"user","content":"c"},{"role":"user","content":"b", "n":1.50}]'
    )


@pytest.mark.parametrize("messages", ["hi", {}, 3, [1, "x", None], [{"content": [1]}]])
def test_texts_of_odd_messages_are_none(messages) -> None:
    assert list(make(messages).texts()) == []


SYSTEM = {"role": "system", "content": "One."}
DEVELOPER = {"role": "developer", "content": [{"type": "text", "text": "Two."}]}


@pytest.mark.parametrize(
    ("messages", "where", "expected"),
    [
        ([HELLO], "prepend", [{"role": "system", "content": "New."}, HELLO]),
        ([HELLO], "append", [{"role": "system", "content": "New."}, HELLO]),
        ([SYSTEM, HELLO], "prepend", [{"role": "system", "content": "New.\n\nOne."}, HELLO]),
        ([SYSTEM, HELLO], "append", [{"role": "system", "content": "One.\n\nNew."}, HELLO]),
        (
            [SYSTEM, DEVELOPER, HELLO],
            "append",
            [
                SYSTEM,
                {"role": "developer", "content": [DEVELOPER["content"][0], {"type": "text", "text": "New."}]},
                HELLO,
            ],
        ),
        (
            [DEVELOPER, SYSTEM],
            "prepend",
            [{"role": "developer", "content": [{"type": "text", "text": "New."}, DEVELOPER["content"][0]]}, SYSTEM],
        ),
        ([{"role": "system", "content": ""}], "append", [{"role": "system", "content": "New."}]),
        ([{"role": "system"}], "prepend", [{"role": "system", "content": "New."}]),
        ([HELLO, SYSTEM], "append", [{"role": "system", "content": "New."}, HELLO, SYSTEM]),
    ],
)
def test_instructions_join_the_ones_that_open_the_conversation(messages, where, expected) -> None:
    request = make(messages)
    request.add_instructions("New.", where)
    assert messages_of(request) == expected


def test_a_copy_has_fields_of_its_own() -> None:
    request = make([SYSTEM, HELLO])
    before = request.fields["messages"]
    other = request.copy()
    other.set("model", "n")
    other.add_instructions("New.", "append")
    next(iter(other.texts())).replace("x")
    assert isinstance(other, ChatRequest)
    assert request.model == "m"
    assert request.fields["messages"] is before
    assert messages_of(request) == [SYSTEM, HELLO]


def test_the_dialect_is_known() -> None:
    assert make().dialect == ChatRequest.dialect == "chat"


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "user", "content": "a", "Content": "b"}, "messages[0].Content"),
        ({"role": "user", "CONTENT": [{"type": "text", "text": "b"}]}, "messages[0].CONTENT"),
        ({"role": "user", "content": [{"type": "text", "text": "a", "Text": "b"}]}, "messages[0].content[0].Text"),
    ],
)
def test_whoever_reads_the_texts_reads_all_that_any_upstream_would(message, param) -> None:
    request = ChatRequest.parse(json.dumps({"model": "m", "messages": [message]}).encode())
    with pytest.raises(BadRequest) as caught:
        list(request.texts())
    assert caught.value.param == param
