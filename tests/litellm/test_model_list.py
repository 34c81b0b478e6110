"""LiteLLM's list of deployments as the sections of a file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.litellm.model_list import read_model_list
from proxy.litellm.params import NOT_CARRIED


def entry(name: str, model: str, **params: Any) -> dict[str, Any]:
    return {"model_name": name, "litellm_params": {"model": model, **params}}


def test_entries_become_upstreams_and_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EU_BASE", "https://eu.example")
    sections = read_model_list(
        [
            entry("smart", "azure/gpt-4o", api_base="os.environ/EU_BASE", api_key="os.environ/EU_KEY", weight=3),
            entry("smart", "azure/gpt-4o", api_base="https://us.example", api_key="k", api_version="2024-10-21", rpm=2),
            entry("fast", "groq/llama", api_key="g", timeout=30, extra_headers={"x-a": "b"}),
            entry("faster", "groq/llama-8b", api_key="g", timeout=30, extra_headers={"x-a": "b"}),
            {**entry("near", "qwen", api_base="http://127.0.0.1:1/v1"), "model_info": {"id": "1"}, "tpm": 7},
            entry("claude", "bedrock/anthropic.x", aws_region_name="eu-west-1", aws_profile_name="p"),
            entry("plain", "x", custom_llm_provider="openai", api_key="o", organization="org"),
        ],
        timeout=5,
    )
    slow = {"connect": 5.0, "first_byte": 5, "idle": 5}
    assert not sections.notes.of("mistake", "lost")
    assert sections.models == {
        "smart": [{"use": "azure/gpt-4o", "weight": 3}, {"use": "azure-2/gpt-4o", "weight": 2}],
        "fast": [{"use": "groq/llama", "weight": 1}],
        "faster": [{"use": "groq/llama-8b", "weight": 1}],
        "near": [{"use": "openai-compatible/qwen", "weight": 7}],
        "claude": [{"use": "bedrock/anthropic.x", "weight": 1}],
        "plain": [{"use": "openai/x", "weight": 1}],
    }
    assert sections.upstreams["azure"] == {
        "kind": "azure-openai",
        "base_url": "https://eu.example",
        "api_key": "os.environ/EU_KEY",
        "timeouts": slow,
    }
    assert sections.upstreams["azure-2"]["api_version"] == "2024-10-21"
    assert sections.upstreams["groq"]["timeouts"] == {"connect": 5.0, "first_byte": 30, "idle": 30}
    assert sections.upstreams["groq"]["headers"] == {"x-a": "b"}
    assert sections.upstreams["bedrock"]["region"] == "eu-west-1"
    assert sections.upstreams["openai"]["organization"] == "org"
    assert sections.origins["azure-2"] == ("model_list", 1)


def test_every_parameter_that_can_be_carried_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_API_KEY", "not asked for")
    monkeypatch.setenv("SOON", "20")
    monkeypatch.setenv("MANY", "5")
    account = {"type": "service_account", "project_id": "p-1"}
    role = {"aws_role_name": "arn:aws:iam::1:role/r", "aws_session_name": "s", "aws_external_id": "os.environ/ID"}
    identity = {"tenant_id": "t", "client_id": "c", "client_secret": "os.environ/HUSH"}
    sections = read_model_list([
        entry("a", "openai/x", api_key="k", timeout="os.environ/SOON", stream_timeout=3.5, weight="2"),
        entry("b", "groq/x", api_key="k", max_parallel_requests="os.environ/MANY", tpm="os.environ/MANY"),
        entry("c", "bedrock/x", aws_region_name="eu-west-1", aws_bedrock_runtime_endpoint="https://b.example", **role),
        entry("d", "vertex_ai/x", vertex_project="p-1", vertex_location="us", vertex_credentials=account),
        entry("e", "vertex_ai/x", vertex_ai_project="p-1", vertex_ai_location="us", vertex_credentials="/a/key.json"),
        entry("f", "azure/x", api_base="https://a.example", **identity),
        entry("g", "openai/x", api_key="k", max_retries=0, tags=["paid"], timeout=None),
    ])  # fmt: skip
    assert not sections.notes.of("mistake", "lost")
    found = sections.upstreams
    assert found["openai"]["timeouts"] == {"connect": 5.0, "first_byte": 20, "idle": 20, "first_token": 3.5}
    assert sections.models["a"] == [{"use": "openai/x", "weight": 2}]
    assert (found["groq"]["max_connections"], sections.models["b"][0]["weight"]) == (5, 5)
    assert found["bedrock"]["role"] == {
        "arn": "arn:aws:iam::1:role/r", "session_name": "s", "external_id": "os.environ/ID"
    }  # fmt: skip
    assert found["bedrock"]["base_url"] == "https://b.example"
    assert (found["vertex"]["project"], found["vertex"]["location"]) == ("p-1", "us")
    assert json.loads(found["vertex"]["credentials"]) == account
    assert found["vertex-2"]["credentials"] == "file:/a/key.json"
    assert found["azure"] == {
        "kind": "azure-openai",
        "base_url": "https://a.example",
        "entra": {"tenant_id": "t", "client_id": "c", "client_secret": "os.environ/HUSH", "use": "client-secret"},
    }
    assert [str(note) for note in sections.notes.of("hint")] == [
        "model_list[6].litellm_params.max_retries: is left out: how often is tried again is said for all (num_retries)",
        "model_list[6].litellm_params.tags: is left out: deployments are not chosen by tags",
    ]


def test_an_order_makes_groups_that_follow_each_other() -> None:
    sections = read_model_list([
        entry("m", "groq/last", api_key="k"),
        entry("m", "groq/second", api_key="k", order=2),
        entry("m", "groq/first", api_key="k", order=1),
        entry("m", "groq/first-too", api_key="k", order="1"),
        entry("n", "groq/only", api_key="k", order=7),
    ])  # fmt: skip
    groups = {name: [one["use"] for one in group] for name, group in sections.models.items()}
    assert groups == {
        "m": ["groq/first", "groq/first-too"],
        "m (2)": ["groq/second"],
        "m (3)": ["groq/last"],
        "n": ["groq/only"],
    }
    assert sections.then == {"m": ["m (2)", "m (3)"]}


@pytest.mark.parametrize("key", ["mock_response", "max_budget", "azure_ad_token"])
def test_what_cannot_be_carried_is_refused_with_what_to_do(key: str) -> None:
    (note,) = read_model_list([entry("m", "groq/x", api_key="k", **{key: 1})]).notes.of("lost")
    assert str(note) == f"model_list[0].litellm_params.{key}: cannot be carried over ({NOT_CARRIED[key]})"


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([], "model_list is empty"),
        ([{"model_name": "m"}], "model_list[0]: expected model_name and litellm_params"),
        ([{**entry("m", "groq/x"), "modle": 1}], "model_list[0].modle: unknown option (known are"),
        (
            [entry("m", "groq/x", api_bse="u")],
            'model_list[0].litellm_params.api_bse: unknown option (did you mean "api_base"?)',
        ),
        ([entry("m", "")], "model is missing"),
        (
            [entry("m", "groq/x", timeout="soon")],
            "litellm_params.timeout: expected a number, found 'soon'",
        ),
        (
            [entry("m", "groq/x", api_base="os.environ/NOT_SET_ANYWHERE")],
            "litellm_params.api_base: environment variable NOT_SET_ANYWHERE is not set",
        ),
        ([entry("m", "groq/x", api_base=["u"])], "litellm_params.api_base: expected a text (put it in quotes)"),
        ([entry("m", "groq/x", rpm=True)], "litellm_params.rpm: expected a number, found True"),
        ([entry("m*", "groq/*", order=1), entry("m*", "groq/*")], "'m*' stands for several models"),
        ([entry("m", "llama")], "'llama' names no provider (known are "),
        ([entry("m", "x", custom_llm_provider="nobody")], "'nobody' names no provider"),
    ],
)
def test_mistakes_are_named(entries: list[dict[str, Any]], why: str) -> None:
    assert why in "\n".join(map(str, read_model_list(entries).notes.all))


def test_parameters_prices_and_credentials_go_with_the_deployment() -> None:
    credentials = {"eu": {"api_key": "os.environ/EU", "api_base": "https://eu.example"}}
    sections = read_model_list(
        [
            entry("a", "azure/x", litellm_credential_name="eu", temperature=0.2, max_tokens=100),
            entry("b", "azure/x", litellm_credential_name="eu", extra_body={"k": 1}, additional_drop_params=["user"]),
            {**entry("c", "azure/mine", litellm_credential_name="eu"), "model_info": {"base_model": "azure/gpt-4o"}},
            {
                **entry("d", "groq/x", api_key="k", input_cost_per_token=2.5e-07),
                "model_info": {"output_cost_per_token": 1e-6, "mode": "chat", "supports_vision": True},
            },
            entry("e", "groq/x", litellm_credential_name="us", api_key=""),
            {"model_name": "*", "litellm_params": {"model": "*"}},
        ],
        credentials=credentials,
        environ={},
    )
    assert (sections.defaults, sections.extras) == (
        {"azure": {"temperature": 0.2, "max_tokens": 100}},
        {"azure-2": {"k": 1}},
    )
    assert sections.drops == {"azure-2": ["user"]}
    assert sections.upstreams["azure-3"] == {
        "kind": "azure-openai",
        "base_url": "https://eu.example",
        "api_key": "os.environ/EU",
        "base_models": {"mine": "gpt-4o"},
    }
    assert sections.prices == {"groq/x": {"input": 0.25, "output": 1.0}}
    assert sections.everything
    assert [str(note) for note in sections.notes.all] == [
        "model_list[4].litellm_params.litellm_credential_name: credential_list has no credentials of that name"
    ]
    assert sections.upstreams["groq-2"]["api_key"] == "env:GROQ_API_KEY"


def test_variables_that_litellm_knows_are_looked_at() -> None:
    environ = {"VERTEXAI_PROJECT": "p", "AWS_REGION_NAME": "eu-west-1", "AZURE_API_VERSION": "2024-06-01"}
    entries = [
        entry("a", "vertex_ai/x"),
        entry("b", "bedrock/x"),
        entry("c", "azure/x", api_base="https://a.example", api_key="k"),
        entry("d", "azure/x", api_base="https://a.example", api_key="k", api_version="2025-04-01-preview"),
    ]
    found = read_model_list(entries, environ=environ).upstreams
    assert found["vertex"] == {"kind": "vertex", "project": "p", "location": "us-central1"}
    assert found["bedrock"] == {"kind": "bedrock", "region": "eu-west-1"}
    assert (found["azure"]["api_version"], found["azure"]["api"]) == ("2024-06-01", "chat")
    assert (found["azure-2"]["api_version"], found["azure-2"].get("api")) == ("2025-04-01-preview", None)
    assert read_model_list([entry("b", "bedrock/x")], environ={}).upstreams["bedrock"]["region"] == "us-west-2"


def test_a_key_for_whom_takes_none_is_left_out() -> None:
    found = read_model_list([entry("e", "echo/x", api_key="k", api_base="http://h")], environ={})
    assert found.upstreams == {"echo": {"kind": "echo"}}


def test_each_organization_is_a_deployment() -> None:
    found = read_model_list([entry("o", "openai/*", api_key="k", organization=["org-1", "org-2"])], environ={})
    assert [one["use"] for one in found.models["o"]] == ["openai/*", "openai-2/*"]
    assert [one["organization"] for one in found.upstreams.values()] == ["org-1", "org-2"]
