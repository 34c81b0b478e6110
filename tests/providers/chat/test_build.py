import json

import pytest

from proxy.api.responses.fields import FIELDS
from proxy.errors import BadRequest
from proxy.providers.chat.build import build_body
from proxy.providers.chat.profile import ChatProfile
from proxy.providers.openai.provider import PROFILE
from proxy.providers.provider import TranslateOptions
from tests.support import strict_chat
from tests.support.asked import SEALING, assistant, build, chat, function, refusal, request, user

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "$defs": {"x": [1.0, None]}}
FORMAT = {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True, "description": "d"}
PLAIN = ChatProfile()


def said(built):
    """The body without what is always there."""
    return {name: value for name, value in built.body.items() if name not in ("model", "messages")}


def test_the_least_request():
    assert chat().body == {"model": "upstream-model", "messages": [{"role": "user", "content": "hi"}]}


MAPPED = [
    ({"temperature": 0.5}, {"temperature": 0.5}),
    ({"temperature": 0}, {"temperature": 0}),
    ({"top_p": 0.5}, {"top_p": 0.5}),
    ({"presence_penalty": 1, "frequency_penalty": -1}, {"presence_penalty": 1, "frequency_penalty": -1}),
    ({"max_output_tokens": 100}, {"max_tokens": 100}),
    ({"max_tokens": 100}, {"max_tokens": 100}),
    ({"max_completion_tokens": 100}, {"max_tokens": 100}),
    ({"user": "u"}, {"user": "u"}),
    ({"top_logprobs": 3}, {"logprobs": True, "top_logprobs": 3}),
    ({"top_logprobs": 0}, {}),
    ({"include": ["message.output_text.logprobs"]}, {"logprobs": True}),
    ({"include": ["message.output_text.logprobs"], "top_logprobs": 0}, {"logprobs": True, "top_logprobs": 0}),
    ({"reasoning": {"effort": "high", "summary": "auto"}}, {"reasoning_effort": "high"}),
    ({"reasoning": {"effort": None}}, {}),
    ({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
    ({"stream": False}, {}),
    (
        {"stream": True, "stream_options": {"include_obfuscation": True}},
        {"stream": True, "stream_options": {"include_usage": True}},
    ),
    ({"text": {"format": {"type": "text"}}}, {}),
    ({"text": {"format": {"type": "json_object"}}}, {"response_format": {"type": "json_object"}}),
    (
        {"text": {"format": FORMAT}},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "n", "schema": SCHEMA, "strict": True, "description": "d"},
            }
        },
    ),
    (
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}},
    ),
    ({"text": {"verbosity": "medium"}}, {}),
    ({"truncation": "disabled"}, {}),
    ({"safety_identifier": "s"}, {"user": "s"}),
    ({"safety_identifier": "s", "user": "u"}, {"user": "u"}),
    ({"stop": ["a"], "seed": 7, "logit_bias": {"1": 2}}, {"stop": ["a"], "seed": 7, "logit_bias": {"1": 2}}),
    # Penstock's own, or only shown: they say nothing to the upstream and are no news to the client
    ({"store": True, "metadata": {"a": "b"}, "background": False, "max_tool_calls": 3}, {}),
    ({"include": ["reasoning.encrypted_content"], "prompt_cache_key": "k", "n": 1}, {}),
]


@pytest.mark.parametrize(("fields", "sent"), MAPPED, ids=[str(n) for n in range(len(MAPPED))])
def test_fields_that_have_an_effect(fields, sent):
    built = chat(**fields)
    assert said(built) == sent
    assert built.ignored == []
    strict_chat.check(built.body)


OPENAI = [
    ({"max_output_tokens": 100}, {"max_completion_tokens": 100}),
    ({"text": {"verbosity": "low"}}, {"verbosity": "low"}),
    ({"service_tier": "flex"}, {"service_tier": "flex"}),
    (
        {"prompt_cache_key": "k", "prompt_cache_retention": "24h"},
        {"prompt_cache_key": "k", "prompt_cache_retention": "24h"},
    ),
    ({"safety_identifier": "s", "user": "u"}, {"safety_identifier": "s", "user": "u"}),
]


@pytest.mark.parametrize(("fields", "sent"), OPENAI, ids=[str(n) for n in range(len(OPENAI))])
def test_fields_that_only_some_take(fields, sent):
    built = chat(PROFILE, **fields)
    assert said(built) == sent
    assert built.ignored == []
    strict_chat.check(built.body, keys=strict_chat.OPENAI)


IGNORED = [
    ({"text": {"verbosity": "low"}}, "text.verbosity"),
    ({"service_tier": "flex"}, "service_tier"),
    ({"prompt_cache_retention": "24h"}, "prompt_cache_retention"),
    ({"prompt_cache_options": {"mode": "implicit"}}, "prompt_cache_options"),
    ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
    ({"client_metadata": {"a": "b"}}, "client_metadata"),
    ({"modalities": ["text"]}, "modalities"),
    ({"image": {"size": "auto"}}, "image"),
    ({"response_format": {"type": "json_object"}}, "response_format"),
]


@pytest.mark.parametrize(("fields", "name"), IGNORED, ids=[row[1] for row in IGNORED])
def test_fields_without_effect_are_named_or_refused(fields, name):
    built = chat(**fields)
    assert said(built) == {}
    assert built.ignored == [name]
    with pytest.raises(BadRequest) as caught:
        build(request(**fields), params="strict")
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", name)


def test_what_is_done_here_is_not_named():
    made = chat(truncation="auto", context_management=[{"type": "compaction", "compact_threshold": 1000}])
    assert said(made) == {}
    assert made.ignored == []


def test_null_is_not_named():
    made = chat(service_tier=None, client_metadata=None, truncation=None, stop=None)
    assert said(made) == {}
    assert made.ignored == []


def test_many_unknown_fields_make_no_endless_header():
    built = chat(**{f"unknown_{n}\r\n": n for n in range(500)})
    assert len(built.ignored) == 20
    assert all(name.isascii() and name.isprintable() for name in built.ignored)


@pytest.mark.parametrize(
    ("style", "effort", "sent"),
    [
        ("reasoning_effort", "none", {"reasoning_effort": "none"}),
        ("reasoning", "low", {"reasoning": {"effort": "low"}}),
        ("thinking", "low", {"reasoning_effort": "low"}),
        ("thinking", "none", {"thinking": {"type": "disabled"}}),
        ("reasoning", "none", {"reasoning": {"enabled": False}}),
        ("chat_template_kwargs", "high", {"chat_template_kwargs": {"enable_thinking": True}}),
        ("chat_template_kwargs", "none", {"chat_template_kwargs": {"enable_thinking": False}}),
        ("drop", "high", {}),
    ],
)
def test_how_much_to_think_is_said_in_the_servers_way(style, effort, sent):
    built = chat(ChatProfile(reasoning_effort=style), reasoning={"effort": effort})
    assert said(built) == sent
    assert built.ignored == (["reasoning.effort"] if style == "drop" else [])


def test_configured_fields_are_added_and_give_way_to_the_request():
    extra = {"chat_template_kwargs": {"x": 1}, "temperature": 0.1, "top_k": 5}
    profile = ChatProfile(extra_body=extra, reasoning_effort="chat_template_kwargs")
    assert said(chat(profile)) == extra
    assert said(chat(profile, temperature=0.9, reasoning={"effort": "none"})) == {
        "chat_template_kwargs": {"x": 1, "enable_thinking": False},
        "temperature": 0.9,
        "top_k": 5,
    }


def test_usage_is_not_asked_for_where_it_is_refused():
    assert said(chat(ChatProfile(stream_usage=False), stream=True)) == {"stream": True}


def test_a_schema_goes_into_the_prompt_where_the_server_has_none():
    profile = ChatProfile(structured_output="json_object")
    built = chat(profile, text={"format": FORMAT}, instructions="Be brief.")
    assert said(built) == {"response_format": {"type": "json_object"}}
    system, user = built.messages
    assert system["content"].startswith("Be brief.\n\n")
    assert json.dumps(SCHEMA) in system["content"]
    assert user["role"] == "user"
    (note, _) = chat(profile, text={"format": FORMAT}).messages
    assert note["role"] == "system"
    assert len(chat(profile, text={"format": {"type": "json_object"}}).messages) == 1


def test_a_format_is_refused_where_it_cannot_be_kept():
    with pytest.raises(BadRequest) as caught:
        chat(ChatProfile(structured_output="none"), text={"format": FORMAT})
    assert (caught.value.code, caught.value.param) == ("unsupported_value", "text.format")
    assert said(chat(ChatProfile(structured_output="none"), text={"format": {"type": "text"}})) == {}


def test_what_is_not_given_is_not_sent():
    every = {name: None for name in FIELDS if name not in ("model", "input")}
    built = chat(**every)
    assert said(built) == {}
    assert built.ignored == []


def test_nothing_but_the_table_reaches_the_upstream():
    many = {
        name: {"a": [1]} for name in ("foo", "functions", "modalities", "audio", "extra_headers", "api_key", "messages")
    }
    built = chat(
        **many,
        store=True,
        metadata={"a": "b"},
        previous_response_id=None,
        tools=[function("f")],
        tool_choice="auto",
        stream=True,
    )
    strict_chat.check(built.body)
    assert built.messages == [{"role": "user", "content": "hi"}]
    assert sorted(built.ignored) == sorted(many)


def test_a_wrong_field_that_a_stage_has_set_is_refused_too():
    made = request()
    made.validate()
    made.set("temperature", 9)
    with pytest.raises(BadRequest):
        build_body(made, "m", PLAIN, TranslateOptions(), print, SEALING)
    assert refusal(temperature=9).code == "decimal_above_max_value"


@pytest.mark.parametrize("profile", [ChatProfile(), ChatProfile(stream_usage=False), PROFILE])
@pytest.mark.parametrize("stream", [True, False])
def test_requests_without_settings_are_built_in_fewer_steps(profile, stream, monkeypatch):
    fields = {"input": [user("hi"), assistant("yes"), user("go on")], "instructions": "be kind", "stream": stream}
    short = chat(profile, **fields, store=False, metadata={"a": "b"})
    monkeypatch.setattr("proxy.providers.chat.build._SIMPLE", frozenset())
    assert short.body == chat(profile, **fields, store=False, metadata={"a": "b"}).body
