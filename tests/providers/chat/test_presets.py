"""What is known of well-known servers: one test a fact, by the request that it makes."""

from __future__ import annotations

import json
from typing import get_args
from urllib.parse import urlsplit

import pytest

from proxy.config.types import Secret
from proxy.exchange import Client, Exchange
from proxy.providers.chat.presets import PRESETS, Preset, key_of, place_of, profile_for_host, profile_of
from proxy.providers.chat.profile import ChatProfile
from proxy.providers.openai_compatible.config import OpenAICompatibleConfig
from proxy.providers.openai_compatible.provider import OpenAICompatible
from proxy.providers.vendors import VENDORS
from tests.support.asked import assistant, call, function, output, request, user

SCHEMA = {"type": "json_schema", "name": "a", "schema": {"type": "object"}, "strict": True}


def sent(preset, **fields):
    """Returns the body that a server is sent for a request with those fields."""
    config = OpenAICompatibleConfig(preset=preset, api_key=Secret("k"))
    exchange = Exchange("ex_1", Client("127.0.0.1", {}), request(**fields))
    return json.loads(OpenAICompatible("up", config).build(exchange, "m").body), exchange.ignored


def test_presets_are_the_vendors_of_chat_completions():
    theirs = {one.prefix for one in VENDORS if one.kind == "openai-compatible" and one.base_url is not None}
    assert set(PRESETS) == set(get_args(Preset)) == theirs


@pytest.mark.parametrize(
    ("preset", "url", "variable"),
    [
        ("cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
        ("dashscope", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY"),
        ("deepseek", "https://api.deepseek.com", "DEEPSEEK_API_KEY"),
        ("fireworks", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
        ("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
        ("llamacpp", "http://127.0.0.1:8080/v1", None),
        ("lm_studio", "http://127.0.0.1:1234/v1", None),
        ("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
        ("moonshot", "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY"),
        ("ollama", "http://127.0.0.1:11434/v1", None),
        ("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
        ("perplexity", "https://api.perplexity.ai", "PERPLEXITY_API_KEY"),
        ("sambanova", "https://api.sambanova.ai/v1", "SAMBANOVA_API_KEY"),
        ("together", "https://api.together.xyz/v1", "TOGETHER_API_KEY"),
        ("vllm", "http://127.0.0.1:8000/v1", None),
        ("xai", "https://api.x.ai/v1", "XAI_API_KEY"),
    ],
)
def test_where_they_are_and_which_variable_holds_their_key(preset, url, variable):
    assert (place_of(preset), key_of(preset, {})) == (url, variable)


def test_of_several_variables_the_one_that_is_set():
    assert key_of("together", {"TOGETHERAI_API_KEY": "k"}) == "TOGETHERAI_API_KEY"


@pytest.mark.parametrize("host", [None, "", "127.0.0.1", "example.com", "mistral.ai"])
def test_unknown_hosts_get_what_suits_most(host):
    assert profile_for_host(host) == ChatProfile()


@pytest.mark.parametrize("preset", [one for one in PRESETS if "127.0.0.1" not in place_of(one)])
def test_well_known_hosts_get_the_profile_of_their_preset(preset):
    assert profile_for_host(urlsplit(place_of(preset)).hostname) == profile_of(preset)


def test_a_second_host_of_the_same():
    assert profile_for_host("api.together.ai") == profile_of("together")
    assert profile_for_host("ollama.com") == profile_of("ollama")


@pytest.mark.parametrize("preset", PRESETS)
def test_the_limit_of_an_answer(preset):
    body, _ = sent(preset, max_output_tokens=9)
    newer = preset in ("cerebras", "groq")
    assert (body.get("max_completion_tokens"), body.get("max_tokens")) == ((9, None) if newer else (None, 9))


@pytest.mark.parametrize("preset", PRESETS)
def test_instructions_come_from_the_system(preset):
    body, _ = sent(preset, instructions="Be brief.", stream=True)
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert body["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("deepseek", {"reasoning_effort": "low"}),
        ("groq", {"reasoning_effort": "low"}),
        ("mistral", {}),
        ("openrouter", {"reasoning": {"effort": "low"}}),
        ("together", {"reasoning": {"effort": "low"}}),
        ("vllm", {"reasoning_effort": "low"}),
    ],
)
def test_how_much_to_think(preset, expected):
    body, ignored = sent(preset, reasoning={"effort": "low"})
    assert {name: body[name] for name in ("reasoning", "reasoning_effort") if name in body} == expected
    assert ignored == ([] if expected else ["reasoning.effort"])


def test_thinking_is_turned_off_in_openrouters_and_togethers_words():
    for preset in ("openrouter", "together"):
        assert sent(preset, reasoning={"effort": "none"})[0]["reasoning"] == {"enabled": False}


THOUGHT = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}


@pytest.mark.parametrize("preset", PRESETS)
def test_thinking_is_given_back_only_where_it_may_be(preset):
    turns = [user("hi"), THOUGHT, call("c1"), output("c1")]
    body, _ = sent(preset, input=turns, tools=[function("f")])
    (turn,) = [one for one in body["messages"] if one["role"] == "assistant"]
    given_back = {name for name in turn if name.startswith("reasoning")}
    never = ("cerebras", "fireworks", "groq", "mistral", "perplexity", "sambanova", "together", "xai")
    assert not (given_back and preset in never)
    assert preset != "deepseek" or turn["reasoning_content"] == "hm"


def test_deepseek_wants_thinking_back_even_where_there_was_none():
    body, _ = sent("deepseek", input=[user("hi"), call("c1"), output("c1")], tools=[function("f")])
    assert body["messages"][1]["reasoning_content"]


@pytest.mark.parametrize(("preset", "kind"), [("deepseek", "json_object"), ("groq", "json_schema")])
def test_answers_of_a_form(preset, kind):
    body, _ = sent(preset, text={"format": SCHEMA})
    assert body["response_format"]["type"] == kind
    assert ("JSON schema" in json.dumps(body["messages"])) == (kind == "json_object")


def test_mistrals_own_words():
    body, _ = sent(
        "mistral",
        input=[user("hi"), call("call_1"), output("call_1")],
        tools=[function("f")],
        tool_choice="required",
        seed=7,
    )
    assert (body["random_seed"], "seed" in body, body["tool_choice"]) == (7, False, "any")
    id = body["messages"][1]["tool_calls"][0]["id"]
    assert (len(id), id.isalnum()) == (9, True)
    assert body["messages"][2]["tool_call_id"] == id


def test_perplexity_wants_turns_to_alternate():
    body, _ = sent("perplexity", input=[user("a"), user("b"), assistant("c"), user("d")])
    assert [one["role"] for one in body["messages"]] == ["user", "assistant", "user"]


@pytest.mark.parametrize(
    ("preset", "passed"),
    [
        ("cerebras", ["seed", "stop"]),
        ("deepseek", ["stop"]),
        ("groq", ["seed", "stop"]),
        ("llamacpp", ["logit_bias", "min_p", "seed", "stop", "top_k"]),
        ("mistral", ["random_seed", "stop"]),
        ("ollama", ["logit_bias", "seed", "stop"]),
        ("vllm", ["chat_template_kwargs", "logit_bias", "min_p", "seed", "stop", "top_k"]),
    ],
)
def test_parameters_beyond_the_api_go_only_where_they_are_known(preset, passed):
    asked = {"seed": 1, "stop": ["x"], "logit_bias": {"1": 1}, "top_k": 5, "min_p": 0.1, "chat_template_kwargs": {}}
    body, ignored = sent(preset, **asked)
    assert sorted(body.keys() - {"model", "messages"}) == passed
    assert sorted(ignored) == sorted(asked.keys() - {"seed" if name == "random_seed" else name for name in passed})


@pytest.mark.parametrize(("preset", "sends"), [("deepseek", False), ("mistral", False), ("groq", True)])
def test_who_the_user_is(preset, sends):
    assert ("user" in sent(preset, user="u-1")[0]) == sends


def test_groqs_tiers_and_openrouters_documents():
    assert sent("groq", service_tier="flex")[0]["service_tier"] == "flex"
    part = {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}
    body, _ = sent("openrouter", input=[{"role": "user", "content": [part]}])
    assert body["messages"][0]["content"][0]["type"] == "file"


@pytest.mark.parametrize("preset", PRESETS)
def test_a_tokenizer_is_asked_only_of_vllm(preset):
    assert profile_of(preset).tokenizer == ("vllm" if preset == "vllm" else "none")
