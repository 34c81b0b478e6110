"""The table of vendors: whose model a name is, and the upstream that it makes of an environment."""

from __future__ import annotations

import msgspec
import pytest

from proxy.config.loader import load_text
from proxy.config.types import Sources
from proxy.providers.registry import kinds
from proxy.providers.vendors import COMPATIBLE, VENDORS, Vendor, of_model, of_prefix

FILE = "upstreams: {{v: {settings}}}\nmodels: {{m: [v/m]}}\npipeline: [route, stream-translate]\n"


@pytest.mark.parametrize(
    ("name", "prefix", "model"),
    [
        ("openai/gpt-4o", "openai", "gpt-4o"),
        ("gpt-4o", "openai", "gpt-4o"),
        ("o3-mini", "openai", "o3-mini"),
        ("claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5"),
        ("gemini-2.5-flash", "gemini", "gemini-2.5-flash"),
        ("vertex_ai/gemini-2.5-pro", "vertex", "gemini-2.5-pro"),
        ("bedrock/us.anthropic.claude-x:0", "bedrock", "us.anthropic.claude-x:0"),
        ("together_ai/meta-llama/Llama-3", "together", "meta-llama/Llama-3"),
        ("openrouter/openai/gpt-4o", "openrouter", "openai/gpt-4o"),
        ("hosted_vllm/qwen", "vllm", "qwen"),
        ("echo/echo-tools", "echo", "echo-tools"),
    ],
)
def test_a_name_says_whose_model_it_is(name: str, prefix: str, model: str) -> None:
    found = of_model(name)
    assert found is not None
    assert (found[0].prefix, found[1]) == (prefix, model)


@pytest.mark.parametrize("name", ["llama3", "nobody/x", "groq/", "", "/x", "my-gpt-4o", "meta-llama/Llama-3"])
def test_some_names_do_not_say_it(name: str) -> None:
    assert of_model(name) is None


def test_no_prefix_is_of_two_vendors() -> None:
    names = [name for vendor in VENDORS for name in (vendor.prefix, *vendor.also)]
    assert len(names) == len(set(names))
    assert all(of_prefix(name) is not None for name in names)
    assert of_prefix("nobody") is None


def test_the_variable_that_is_set_holds_the_key() -> None:
    gemini = of_prefix("gemini")
    assert gemini is not None
    assert gemini.settings({"GOOGLE_API_KEY": "g"}) == {
        "kind": "gemini",
        "requires_env": "GOOGLE_API_KEY",
        "api_key": "env:GOOGLE_API_KEY",
    }
    assert gemini.settings({})["requires_env"] == "GEMINI_API_KEY"
    assert gemini.settings({"GEMINI_API_KEY": "  ", "GOOGLE_API_KEY": "g"})["api_key"] == "env:GOOGLE_API_KEY"


def test_what_is_given_stands_for_the_environment() -> None:
    openai = of_prefix("openai")
    assert openai is not None
    environ = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://a/v1"}
    assert openai.settings(environ)["base_url"] == "http://a/v1"
    assert openai.settings(environ, base_url="http://b/v1", api_key="other") == {
        "kind": "openai",
        "base_url": "http://b/v1",
        "api_key": "other",
    }
    assert openai.settings({}, base_url="http://b/v1") == {"kind": "openai", "base_url": "http://b/v1"}
    assert COMPATIBLE.settings({}, base_url="http://b/v1") == {"kind": "openai-compatible", "base_url": "http://b/v1"}


@pytest.mark.parametrize("vendor", [one for one in VENDORS if one.kind in kinds()], ids=lambda one: one.prefix)
def test_each_can_stand_in_a_file(vendor: Vendor) -> None:
    environ = {**dict.fromkeys(vendor.variables, "xyz"), **dict.fromkeys(vendor.url_variables, "http://127.0.0.1:9")}
    settings = vendor.settings(environ, base_url="http://127.0.0.1:9/v1" if vendor is COMPATIBLE else None)
    if vendor.kind == "bedrock":
        settings["region"] = "us-east-1"
    text = FILE.format(settings=msgspec.json.encode(settings).decode())
    assert "v" in load_text(text, "test", sources=Sources(environ)).upstreams
    if vendor.variables:
        [skipped, _] = load_text(text, "test", sources=Sources({})).skipped
        assert vendor.variables[0] in skipped.reason
