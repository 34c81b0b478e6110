import pytest

from proxy.errors import BadRequest
from tests.support.asked import assistant, call, function, output, request, user
from tests.support.gemini import MODEL, OLD_MODEL, STOP, asked, build, framed, response, sealed_output
from tests.support.strict_gemini import check

SENTINEL = "skip_thought_signature_validator"


def contents(*items, model=MODEL, **fields):
    built = asked(model, input=list(items), **fields)
    check(built.raw, signed=model == MODEL)
    return built.contents


def turn(role, *parts):
    return {"role": role, "parts": [{"text": part} if isinstance(part, str) else part for part in parts]}


def test_a_conversation():
    assert contents(user("a"), assistant("b"), user("c")) == [turn("user", "a"), turn("model", "b"), turn("user", "c")]


def test_neighbours_of_one_role_are_one_content():
    assert contents(user("a"), user("b"), assistant("c"), assistant("d"), user("e")) == [
        turn("user", "a", "b"),
        turn("model", "c", "d"),
        turn("user", "e"),
    ]


def test_instructions_stand_beside_the_contents_wherever_they_came():
    built = asked(
        instructions="be brief",
        input=[
            {"role": "developer", "content": "and kind"},
            user("a"),
            {"role": "system", "content": [{"type": "input_text", "text": "and true"}]},
            user("b"),
        ],
    )
    assert built.body["systemInstruction"] == {
        "parts": [{"text": "be brief"}, {"text": "and kind"}, {"text": "and true"}]
    }
    assert built.contents == [turn("user", "a", "b")]


def test_a_model_without_instructions_reads_them_first():
    built = asked("gemma-3-27b-it", instructions="be brief", input="hi")
    check(built.raw, system=False)
    assert built.contents == [turn("user", "be brief", "hi")]


def test_the_user_begins():
    assert contents(assistant("hello"), user("hi")) == [turn("user", " "), turn("model", "hello"), turn("user", "hi")]


def test_instructions_alone_are_something_to_answer():
    built = asked(instructions="say hi", input=[user("")])
    assert check(built.raw)["contents"] == [turn("user", " ")]


def test_nothing_at_all_is_the_clients_mistake():
    with pytest.raises(BadRequest) as caught:
        asked(input=[user("")])
    assert caught.value.param == "input"


def test_refusals_are_text():
    refusal = {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}
    assert contents(user("a"), refusal, user("b"))[1] == turn("model", "no")


def test_history_that_no_content_can_hold_is_named():
    built = asked(input=[user("a"), {"type": "web_search_call", "id": "ws_1"}, assistant("b"), user("c")])
    assert built.ignored == ["input[1]: web_search_call"]


def test_outputs_stand_directly_behind_their_calls_in_their_order():
    made = contents(
        user("?"), assistant("let me see"), call("call_1", "f"), call("call_2", "g"), user("wait"),
        output("call_2", "two"), output("call_1", "one"), user("so?"), model=OLD_MODEL,
    )  # fmt: skip
    assert [content["role"] for content in made] == ["user", "model", "user"]
    assert [part["functionCall"]["name"] for part in made[1]["parts"][1:]] == ["f", "g"]
    assert [part["functionResponse"]["response"]["output"] for part in made[2]["parts"][:2]] == ["one", "two"]
    assert made[2]["parts"][2:] == [{"text": "wait"}, {"text": "so?"}]


def test_calls_one_after_another_are_contents_of_their_own():
    made = contents(user("?"), call("call_1"), output("call_1"), call("call_2"), output("call_2"), model=OLD_MODEL)
    assert [content["role"] for content in made] == ["user", "model", "user", "model", "user"]


def test_the_first_call_of_each_go_is_signed_where_the_model_demands_it():
    items = [
        user("?"),
        call("call_1"),
        call("call_2"),
        output("call_1"),
        output("call_2"),
        call("call_3"),
        output("call_3"),
    ]
    made = contents(*items)
    signatures = [
        part.get("thoughtSignature") for content in made for part in content["parts"] if "functionCall" in part
    ]
    assert signatures == [SENTINEL, None, SENTINEL]
    assert SENTINEL not in str(contents(*items, model=OLD_MODEL))


def again(*answer, then=(), model=MODEL, family="gemini", made_by=MODEL):
    """Returns the contents of the turn after an answer, as a client without memory sends it."""
    items = sealed_output(framed(*answer), model=made_by)
    outputs = [output(item["call_id"]) for item in items if item["type"] == "function_call"]
    built = build(request(input=[user("?"), *items, *outputs, *then], tools=[function("f")]), model, family=family)
    check(built.raw, signed=model == MODEL)
    return built.contents


def called(signature=None, id=None, name="f"):
    part = {"functionCall": {"name": name, "args": {}, **({"id": id} if id else {})}}
    return {**part, **({"thoughtSignature": signature} if signature else {})}


def test_signatures_go_back_on_the_very_parts_they_stood_on():
    made = again(
        response({"text": "hm", "thought": True}),
        response({"text": "Let me "}),
        response({"text": "see.", "thoughtSignature": "MQ=="}),
        response(called("Mg==", "x1"), called(None, "x2")),
        STOP,
    )
    assert made[1] == turn(
        "model", "Let me ", {"text": "see.", "thoughtSignature": "MQ=="}, called("Mg==", "x1"), called(None, "x2")
    )


def test_a_signature_on_an_empty_part_at_the_end():
    made = again(
        response({"text": "Hello"}), response({"text": "", "thoughtSignature": "MQ=="}, finish="STOP"), then=[user("b")]
    )
    assert made[1] == turn("model", "Hello", {"text": "", "thoughtSignature": "MQ=="})


def test_a_signature_in_the_middle_of_a_text():
    made = again(response({"text": "ab", "thoughtSignature": "MQ=="}), response({"text": "cd"}), STOP, then=[user("b")])
    assert made[1] == turn("model", {"text": "ab", "thoughtSignature": "MQ=="}, "cd")


def test_parallel_calls_that_are_each_signed_stay_one_go():
    made = again(response(called("MQ==", "x1"), called("Mg==", "x2")), STOP)
    assert [content["role"] for content in made] == ["user", "model", "user"]
    assert made[1] == turn("model", called("MQ==", "x1"), called("Mg==", "x2"))


def test_a_signed_thought_goes_back_whole():
    made = again(
        response({"text": "hm", "thought": True, "thoughtSignature": "MQ=="}),
        response({"text": "a"}),
        STOP,
        then=[user("b")],
    )
    assert made[1] == turn("model", {"text": "hm", "thought": True, "thoughtSignature": "MQ=="}, "a")


def test_code_that_google_ran_goes_back_where_it_stood():
    code = {"executableCode": {"language": "PYTHON", "code": "1", "id": "c"}, "thoughtSignature": "MQ=="}
    ran = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1", "id": "c"}}
    made = again(response(code), response(ran), response({"text": "It is 1."}), STOP, then=[user("b")])
    assert made[1] == turn("model", code, ran, "It is 1.")


PNG = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0="}}
JPEG = {"inlineData": {"mimeType": "image/jpeg", "data": "/9j/4A=="}}


def test_images_go_back_where_they_stood_with_their_signatures():
    made = again(
        response({"text": "Here:", "thoughtSignature": "MA=="}, {**PNG, "thoughtSignature": "MQ=="}),
        response({"text": "and"}, {**JPEG, "thoughtSignature": "Mg=="}),
        STOP,
        then=[user("bluer")],
    )
    assert made[1] == turn(
        "model",
        {"text": "Here:", "thoughtSignature": "MA=="},
        {**PNG, "thoughtSignature": "MQ=="},
        "and",
        {**JPEG, "thoughtSignature": "Mg=="},
    )


def test_images_that_were_made_elsewhere():
    def drawn(data, **more):
        return {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": data, **more}

    items = [user("?"), drawn("iVBORw0="), drawn("/9j/4A==", output_format="jpeg"), drawn(None), user("bluer")]
    signed = [{**PNG, "thoughtSignature": SENTINEL}, {**JPEG, "thoughtSignature": SENTINEL}]
    assert contents(*items)[1] == turn("model", *signed)
    assert contents(*items, model=OLD_MODEL)[1] == turn("model", PNG, JPEG)
    assert asked(input=items).ignored == ["input[3]: image_generation_call"]


def test_what_another_model_has_signed_is_not_sent():
    answer = (response(called("MQ==", "x1")), STOP)
    assert again(*answer, made_by="gemini-3-pro-preview")[1] == turn("model", called(SENTINEL, "x1"))
    assert again(*answer, family="vertex")[1] == turn("model", called(SENTINEL, "x1"))
    assert again(*answer, model=OLD_MODEL)[1] == turn("model", called(None, "x1"))


def test_what_was_sealed_elsewhere_is_left_out():
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "gAAAAA"}
    assert contents(user("a"), thought, assistant("b"), user("c"))[1] == turn("model", "b")


def test_what_cannot_be_carried_over_is_named():
    def ignored(**fields):
        thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], **fields}
        return asked(input=[user("a"), thought, assistant("b"), user("c")]).ignored

    assert ignored(encrypted_content="gAAAAA") == ["input: reasoning"]
    assert ignored(content=[{"type": "reasoning_text", "text": "hm"}]) == ["input: reasoning"]
    assert ignored() == []


def test_a_text_that_was_changed_on_the_way_keeps_its_signature():
    items = sealed_output(framed(response({"text": "my card is 4111", "thoughtSignature": "MQ=="}), STOP))
    items[0]["content"][0]["text"] = "my card"
    assert contents(user("?"), *items, user("b"))[1] == turn("model", {"text": "my card", "thoughtSignature": "MQ=="})


def test_signatures_that_came_in_another_way():
    built = build(request(input=[user("?"), call("call_1"), output("call_1")]), signatures={"call_1": "MQ=="})
    assert built.contents[1]["parts"][0]["thoughtSignature"] == "MQ=="


def test_the_same_history_is_the_same_bytes():
    items = sealed_output(
        framed(response({"text": "a", "thoughtSignature": "MQ=="}), response(called("Mg==", "x1")), STOP)
    )
    history = [user("?"), *items, output("x1")]
    first = build(request(input=history))
    longer = build(request(input=[*history, assistant("b"), user("c")]))
    assert build(request(input=history)).raw == first.raw
    assert longer.contents[: len(first.contents)] == first.contents
