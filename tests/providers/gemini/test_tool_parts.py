import pytest

from tests.support.asked import call, function, output, user
from tests.support.gemini import MODEL, OLD_MODEL, asked
from tests.support.strict_gemini import check

IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,aGVsbG8="}
INLINE = {"inlineData": {"mimeType": "image/png", "data": "aGVsbG8="}}


def parts(*items, model=MODEL, **fields):
    """Returns the parts of the model and of the user behind the first message."""
    built = asked(model, input=[user("?"), *items], **fields)
    check(built.raw)
    return built.contents[1]["parts"], built.contents[2]["parts"]


def response(text, **options):
    return parts(call("call_1"), output("call_1", text), **options)[1][0]["functionResponse"]["response"]


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("15C", {"output": "15C"}),
        ("", {"output": ""}),
        ('{"t": 15}', {"t": 15}),
        (' {"t": 15}\n', {"t": 15}),
        ("[1]", {"output": "[1]"}),
        ("{broken", {"output": "{broken"}),
        ("null", {"output": "null"}),
        ([{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}], {"output": "a\nb"}),
    ],
)
def test_an_output_is_an_object(text, made):
    assert response(text) == made


@pytest.mark.parametrize(
    ("arguments", "made"), [('{"a": 1}', {"a": 1}), ("", {}), ("{}", {}), ("{cut", {"malformed_arguments": "{cut"})]
)
def test_arguments_are_an_object(arguments, made):
    model, _ = parts(call("call_1", "f", arguments), output("call_1"))
    assert model[0]["functionCall"]["args"] == made


def test_ids_of_geminis_own_go_back_and_others_do_not():
    foreign = ("call_1", "toolu_01A", "tooluse_x", "chatcmpl-tool-36", "g6fVbXS8K", "functions.f:0", "fc_bfb39741-37")
    own = ("96c1su3s", "function-call-14336847574026984983")
    ids = [*foreign, *own]
    model, answers = parts(*map(call, ids), *map(output, ids))
    assert [one["functionCall"].get("id") for one in model] == [*[None] * len(foreign), *own]
    assert [one["functionResponse"].get("id") for one in answers] == [*[None] * len(foreign), *own]


def test_images_stand_inside_the_response_where_the_model_takes_them():
    _, answers = parts(call("call_1"), output("call_1", [{"type": "input_text", "text": "see"}, IMAGE]))
    assert answers == [{"functionResponse": {"name": "f", "response": {"output": "see"}, "parts": [INLINE]}}]


def test_else_they_stand_behind_all_responses():
    _, answers = parts(
        call("call_1"), call("call_2"), output("call_1", [IMAGE]), output("call_2", "b"), model=OLD_MODEL
    )
    assert answers == [
        {"functionResponse": {"name": "f", "response": {"output": ""}}},
        {"functionResponse": {"name": "f", "response": {"output": "b"}}},
        INLINE,
    ]


def test_an_image_by_address_stands_behind_too():
    _, answers = parts(call("call_1"), output("call_1", [{"type": "input_image", "image_url": "gs://a/b.png"}]))
    assert [list(part) for part in answers] == [["functionResponse"], ["fileData"]]


def test_a_freeform_call_is_one_of_a_function_with_one_text():
    model, answers = parts(
        {"type": "custom_tool_call", "call_id": "call_1", "name": "patch", "input": "*** Begin"},
        {"type": "custom_tool_call_output", "call_id": "call_1", "output": "ok"},
        tools=[{"type": "custom", "name": "patch"}],
    )
    assert model[0]["functionCall"] == {"name": "patch", "args": {"input": "*** Begin"}}
    assert answers[0]["functionResponse"] == {"name": "patch", "response": {"output": "ok"}}


def test_tools_of_openais_own():
    action = {"type": "exec", "command": ["ls"]}
    model, answers = parts(
        {"type": "local_shell_call", "call_id": "call_1", "action": action},
        {"type": "apply_patch_call", "call_id": "call_2", "operation": {"type": "delete_file", "path": "a"}},
        {"type": "local_shell_call_output", "call_id": "call_1", "output": "a b"},
        {"type": "apply_patch_call_output", "call_id": "call_2", "status": "failed", "output": "no"},
    )
    assert [one["functionCall"]["name"] for one in model] == ["local_shell", "apply_patch"]
    assert model[0]["functionCall"]["args"] == action
    assert answers[1]["functionResponse"]["response"] == {"status": "failed", "output": "no"}


def test_calls_of_a_namespace_have_the_name_that_was_declared():
    tools = [{"type": "namespace", "name": "mcp__x", "tools": [function("f")]}]
    model, answers = parts(call("call_1", "f", namespace="mcp__x"), output("call_1"), tools=tools)
    assert model[0]["functionCall"]["name"] == "mcp__x__f"
    assert answers[0]["functionResponse"]["name"] == "mcp__x__f"
