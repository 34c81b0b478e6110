"""What the echo models answer: every model, every directive, every parameter they obey."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from proxy.providers.echo.models import model_names
from proxy.providers.echo.script import Answer, Call, decide

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CLOCK = {"type": "function", "function": {"name": "tools__clock", "parameters": {"type": "object"}}}
EXEC = {
    "type": "function",
    "function": {
        "name": "functions__exec",
        "parameters": {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]},
    },
}
PATCH = {"type": "custom", "custom": {"name": "apply_patch"}}
SHELL = {
    "type": "function",
    "function": {
        "name": "exec_command",
        "parameters": {
            "type": "object",
            "properties": {"wait": {"type": "integer"}, "cmd": {"type": "string"}},
            "required": ["wait", "cmd"],
        },
    },
}
TOOLS = [WEATHER, CLOCK, EXEC, PATCH, SHELL]
ASKED = {"role": "user", "content": "How is it in Oslo?"}
CALLED = {"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "get_weather", "arguments": "{}"}}]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "14 degrees"}


def ask(text: str = "Hello world", model: str = "echo", **fields: Any) -> Answer:
    return decide({"model": model, "messages": [{"role": "user", "content": text}], **fields})


def called(answer: Answer) -> list[tuple[str, Any]]:
    return [(call.name, json.loads(call.arguments)) for call in answer.calls]


class TestModels:
    def test_echo_says_back_what_it_hears(self) -> None:
        answer = ask("Hello\nworld ")
        assert (answer.text, answer.reasoning, answer.calls, answer.status) == ("Hello\nworld ", "", [], 200)

    def test_echo_leaves_tools_alone(self) -> None:
        assert ask("get_weather", tools=TOOLS).calls == []

    @pytest.mark.parametrize("text", ["", "   ", "[[first_token_s=0]]"])
    def test_an_answer_is_never_empty(self, text) -> None:
        assert ask(text).text == "There is nothing to echo."

    def test_reasoning(self) -> None:
        answer = ask(model="echo-reasoning")
        assert answer.text == "Hello world"
        assert "Hello world" in answer.reasoning

    def test_reasoning_about_a_call(self) -> None:
        answer = ask(model="echo-reasoning", tools=TOOLS, tool_choice="required")
        assert "get_weather" in answer.reasoning
        assert called(answer) == [("get_weather", {"city": "Hello world"})]

    def test_tools_takes_the_first(self) -> None:
        answer = ask(model="echo-tools", tools=TOOLS)
        assert called(answer) == [("get_weather", {"city": "Hello world"})]
        assert answer.text == ""

    @pytest.mark.parametrize("text", ["use tools__clock", "what says the clock?", "clock!"])
    def test_tools_takes_the_one_that_is_named(self, text) -> None:
        assert called(ask(text, "echo-tools", tools=TOOLS)) == [("tools__clock", {})]

    def test_tools_takes_a_custom_one(self) -> None:
        assert ask("apply_patch now", "echo-tools", tools=TOOLS).calls == [
            Call("apply_patch", "apply_patch now", custom=True)
        ]

    def test_tools_without_tools_is_echo(self) -> None:
        answer = ask(model="echo-tools")
        assert (answer.text, answer.calls) == ("Hello world", [])

    def test_a_result_is_quoted(self) -> None:
        for model in ("echo", "echo-tools", "echo-tools-parallel"):
            answer = decide({"model": model, "messages": [ASKED, CALLED, RESULT], "tools": TOOLS})
            assert (answer.text, answer.calls) == ("get_weather said: 14 degrees", [])

    def test_a_question_after_a_result_is_a_new_one(self) -> None:
        answer = decide({"model": "echo-tools", "messages": [ASKED, CALLED, RESULT, ASKED], "tools": TOOLS})
        assert len(answer.calls) == 1

    def test_parallel_takes_the_first_two(self) -> None:
        answer = ask(model="echo-tools-parallel", tools=TOOLS)
        assert called(answer) == [("get_weather", {"city": "Hello world"}), ("tools__clock", {})]

    def test_parallel_takes_all_that_are_named(self) -> None:
        answer = ask("exec, clock, get_weather", "echo-tools-parallel", tools=TOOLS)
        assert [call.name for call in answer.calls] == ["get_weather", "tools__clock", "functions__exec"]

    def test_parallel_calls_one_tool_twice_when_there_is_no_other(self) -> None:
        answer = ask(model="echo-tools-parallel", tools=[WEATHER])
        assert called(answer) == [
            ("get_weather", {"city": "Hello world"}),
            ("get_weather", {"city": "Hello world (again)"}),
        ]

    def test_parallel_calls_can_be_forbidden(self) -> None:
        assert len(ask(model="echo-tools-parallel", tools=TOOLS, parallel_tool_calls=False).calls) == 1

    def test_refusal(self) -> None:
        answer = ask(model="echo-refusal")
        assert (answer.text, answer.refusal) == ("", "I cannot help with that.")

    def test_length(self) -> None:
        assert ask(model="echo-length").half

    @pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503, 529])
    def test_errors(self, status) -> None:
        answer = ask(model=f"echo-error-{status}")
        assert answer.status == status
        assert str(status) in answer.message

    @pytest.mark.parametrize("accident", ["stream_error", "cut", "stall"])
    def test_accidents(self, accident) -> None:
        answer = ask(model=f"echo-{accident.replace('_', '-')}")
        assert (answer.accident, answer.after, answer.text) == (accident, None, "Hello world")

    def test_slow(self) -> None:
        assert ask(model="echo-slow").tokens_per_s == 5

    @pytest.mark.parametrize("model", ["gpt-4o", "", None, 7])
    def test_no_other_name_is_answered(self, model) -> None:
        answer = decide({"model": model, "messages": [ASKED]})
        assert (answer.status, answer.code, answer.param) == (404, "model_not_found", "model")

    @pytest.mark.parametrize("model", model_names())
    def test_the_same_request_gives_the_same_answer(self, model) -> None:
        assert ask("a clock", model, tools=TOOLS) == ask("a clock", model, tools=TOOLS)


class TestDirectives:
    def test_say(self) -> None:
        assert ask("Please [[say Hi.]]").text == "Hi."

    def test_say_makes_other_models_speak_too(self) -> None:
        answer = ask("[[say Hi.]]", "echo-refusal")
        assert (answer.text, answer.refusal) == ("Hi.", "")
        assert ask("[[say Hi.]]", "echo-tools", tools=TOOLS).calls == []

    def test_reasoning(self) -> None:
        answer = ask("hello [[reasoning Hm.]]")
        assert (answer.reasoning, answer.text) == ("Hm.", "hello")

    def test_refuse(self) -> None:
        answer = ask("[[refuse No.]]", "echo-tools", tools=TOOLS)
        assert (answer.refusal, answer.text, answer.calls) == ("No.", "", [])

    def test_text_reasoning_and_calls_in_one_turn(self) -> None:
        answer = ask("[[reasoning Hm.]] [[say Looking.]] [[call get_weather]] [[call clock]]", tools=TOOLS)
        assert (answer.reasoning, answer.text) == ("Hm.", "Looking.")
        assert [call.name for call in answer.calls] == ["get_weather", "tools__clock"]

    @pytest.mark.parametrize(
        ("directive", "call"),
        [
            ('[[call get_weather {"city":"Rom"}]]', Call("get_weather", '{"city":"Rom"}')),
            ("[[call get_weather Rom]]", Call("get_weather", '{"city":"Rom"}')),
            ("city=Rom [[call get_weather]]", Call("get_weather", '{"city":"Rom"}')),
            ('[[call exec text("hi")]]', Call("functions__exec", '{"input":"text(\\"hi\\")"}')),
            ("[[call functions.exec 1]]", Call("functions__exec", '{"input":"1"}')),
            ("[[call exec_command ls]]", Call("exec_command", '{"cmd":"ls"}')),
            ("[[call apply_patch ***]]", Call("apply_patch", "***", custom=True)),
            ('[[call apply_patch {"a":1}]]', Call("apply_patch", '{"a":1}', custom=True)),
            ("[[call unknown x]]", Call("unknown", '{"input":"x"}')),
            ("hello [[call unknown]]", Call("unknown", "{}")),
            ('[[call_raw get_weather {"ci]]', Call("get_weather", '{"ci')),
            ("[[call_raw get_weather]]", Call("get_weather", "")),
        ],
    )
    def test_calls(self, directive, call) -> None:
        assert ask(directive, tools=TOOLS).calls == [call]

    def test_finish(self) -> None:
        answer = ask("a [[finish content_filter]]")
        assert (answer.finish, answer.text) == ("content_filter", "a")

    def test_error(self) -> None:
        answer = ask("[[error 429 insufficient_quota]]")
        assert (answer.status, answer.code) == (429, "insufficient_quota")

    @pytest.mark.parametrize("accident", ["stream_error", "cut", "stall"])
    def test_accidents(self, accident) -> None:
        answer = ask(f"hello [[{accident} 3]]")
        assert (answer.accident, answer.after, answer.text) == (accident, 3, "hello")

    def test_settings(self) -> None:
        answer = ask("hi [[tokens_per_s=50]] [[first_token_s=0.5]] [[head_s=1]] [[repeat=3]]", "echo-slow")
        assert (answer.tokens_per_s, answer.first_token_s, answer.head_s) == (50, 0.5, 1)
        assert answer.text == "hi hi hi"

    def test_pace_of_the_upstream(self) -> None:
        body = {"model": "echo", "messages": [ASKED]}
        assert decide(body, 20).tokens_per_s == 20

    def test_repetition_has_an_end(self) -> None:
        assert len(ask("x" * 1000 + "[[repeat=1000000]]").text) <= 16 * 1024 * 1024

    def test_mistakes_are_told(self) -> None:
        answer = ask("[[error abc]]")
        assert (answer.status, answer.code) == (400, "invalid_directive")
        assert "abc" in answer.message

    def test_a_scripted_agent_run(self) -> None:
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": "You are an agent."},
            {"role": "user", "content": "<environment>if [[ -f x ]]</environment>"},
            {
                "role": "user",
                "content": '[[step say Looking.]] [[call exec_command {"cmd":"echo hi","wait":1}]] '
                "[[step call apply_patch *** Begin\n+hi\n*** End]] [[step say done]]",
            },
        ]
        said = []
        for turn in range(3):
            answer = decide({"model": "echo", "messages": messages, "tools": TOOLS})
            said.append((answer.text, [(call.name, call.arguments) for call in answer.calls]))
            calls = [
                {"id": f"c{turn}", "function": {"name": call.name, "arguments": call.arguments}}
                for call in answer.calls
            ]
            messages.append({"role": "assistant", "content": answer.text or None, "tool_calls": calls})
            messages += [{"role": "tool", "tool_call_id": call["id"], "content": "ok"} for call in calls]
        assert said == [
            ("Looking.", [("exec_command", '{"cmd":"echo hi","wait":1}')]),
            ("", [("apply_patch", "*** Begin\n+hi\n*** End")]),
            ("done", []),
        ]
        messages.append({"role": "user", "content": "Thanks"})
        assert decide({"model": "echo", "messages": messages}).text == "Thanks"


class TestParameters:
    @pytest.mark.parametrize("fields", [{"max_tokens": 3}, {"max_completion_tokens": 3, "max_tokens": 9}])
    def test_limits(self, fields) -> None:
        assert ask(model="echo-length", **fields).limit == 3
        assert not ask(model="echo-length", **fields).half

    @pytest.mark.parametrize("limit", [0, -1, None, "3", True])
    def test_limits_that_are_none(self, limit) -> None:
        assert ask(max_tokens=limit).limit is None

    @pytest.mark.parametrize(
        ("stop", "text"), [("w", "Hello "), (["x", "lo"], "Hel"), (None, "Hello world"), ([1], "Hello world")]
    )
    def test_stop(self, stop, text) -> None:
        assert ask(stop=stop).text == text

    def test_logprobs(self) -> None:
        assert ask(logprobs=True).logprobs
        assert not ask().logprobs

    def test_a_demanded_call_is_made_by_any_model(self) -> None:
        assert [call.name for call in ask(tools=TOOLS, tool_choice="required").calls] == ["get_weather"]
        choice = {"type": "function", "function": {"name": "tools__clock"}}
        assert [call.name for call in ask(tools=TOOLS, tool_choice=choice).calls] == ["tools__clock"]

    def test_a_demanded_call_is_not_made_again_for_its_result(self) -> None:
        body = {"model": "echo", "messages": [ASKED, CALLED, RESULT], "tools": TOOLS, "tool_choice": "required"}
        assert decide(body).calls == []

    def test_forbidden_calls_are_not_made(self) -> None:
        assert ask(model="echo-tools", tools=TOOLS, tool_choice="none").calls == []

    def test_structured_output(self) -> None:
        schema = {
            "type": "object",
            "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
            "required": ["name", "age"],
            "additionalProperties": False,
        }
        wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema, "strict": True}}
        value = json.loads(ask("name=Ada is 36", response_format=wanted).text)
        jsonschema.validate(value, schema)
        assert value == {"name": "Ada", "age": 36}

    def test_any_json(self) -> None:
        assert json.loads(ask(response_format={"type": "json_object"}).text) == {"echo": "Hello world"}

    @pytest.mark.parametrize("wanted", [{"type": "json_schema"}, {"type": "json_schema", "json_schema": {"schema": 3}}])
    def test_broken_formats_give_json_all_the_same(self, wanted) -> None:
        assert json.loads(ask(response_format=wanted).text) == "Hello world"

    @pytest.mark.parametrize("messages", [None, [], "hi", {}])
    def test_requests_without_messages_are_refused(self, messages) -> None:
        answer = decide({"model": "echo", "messages": messages})
        assert (answer.status, answer.param) == (400, "messages")

    def test_tokens_of_the_prompt_are_counted(self) -> None:
        assert ask("one two three").prompt_tokens == 3
