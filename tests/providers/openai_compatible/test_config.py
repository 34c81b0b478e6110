import msgspec
import pytest

from proxy.config.loader import load_text
from proxy.config.types import Mistake, Sources
from proxy.errors import ConfigError
from proxy.providers.chat.profile import ChatProfile
from proxy.providers.openai_compatible.config import OpenAICompatibleConfig


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/v1"),
        ("http://127.0.0.1:11434/v1/", "http://127.0.0.1:11434/v1"),
        ("http://127.0.0.1:11434", "http://127.0.0.1:11434/v1"),
        ("http://127.0.0.1:11434/", "http://127.0.0.1:11434/v1"),
        ("http://127.0.0.1:11434/v1/chat/completions", "http://127.0.0.1:11434/v1"),
        ("https://api.groq.com/openai/v1", "https://api.groq.com/openai/v1"),
        ("https://api.perplexity.ai", "https://api.perplexity.ai"),
        (
            "https://generativelanguage.googleapis.com/v1beta/openai/",
            "https://generativelanguage.googleapis.com/v1beta/openai",
        ),
    ],
)
def test_the_base_url_is_made_one(written, used):
    assert OpenAICompatibleConfig(base_url=written).url == used


def test_a_base_url_is_needed_and_must_be_one():
    with pytest.raises(Mistake, match="base_url is missing"):
        OpenAICompatibleConfig()
    with pytest.raises(Mistake):
        OpenAICompatibleConfig(base_url="localhost")


def test_the_profile_of_the_file_counts_before_that_of_the_host():
    mistral = "https://api.mistral.ai/v1"
    assert OpenAICompatibleConfig(base_url=mistral).chat_profile().tool_call_ids == "nine"
    own = ChatProfile(token_limit="max_completion_tokens")
    assert OpenAICompatibleConfig(base_url=mistral, profile=own).chat_profile() is own
    assert OpenAICompatibleConfig(base_url="http://127.0.0.1:1").chat_profile() == ChatProfile()


def test_a_preset_says_where_the_server_is_and_how_it_differs():
    groq = OpenAICompatibleConfig(preset="groq")
    assert groq.url == "https://api.groq.com/openai/v1"
    assert groq.chat_profile().token_limit == "max_completion_tokens"
    mine = OpenAICompatibleConfig(preset="vllm", base_url="http://10.0.0.7:8000/v1")
    assert (mine.url, mine.chat_profile().tokenizer) == ("http://10.0.0.7:8000/v1", "vllm")
    own = ChatProfile()
    assert OpenAICompatibleConfig(preset="mistral", profile=own).chat_profile() is own


UPSTREAMS = "upstreams:\n  g: {%s}\nmodels: {m: [g/x]}\npipeline: [route]\n"


def loaded(entry, **environ):
    return load_text(UPSTREAMS % f"kind: openai-compatible, {entry}", "f.yaml", sources=Sources(environ))


@pytest.mark.parametrize(
    ("entry", "environ", "url", "key"),
    [
        ("preset: groq", {"GROQ_API_KEY": "k1"}, "https://api.groq.com/openai/v1", "k1"),
        ("preset: groq, api_key: own", {}, "https://api.groq.com/openai/v1", "own"),
        ("preset: together", {"TOGETHERAI_API_KEY": "k2"}, "https://api.together.xyz/v1", "k2"),
        ("preset: ollama", {}, "http://127.0.0.1:11434/v1", None),
        ("preset: vllm, base_url: 'http://gpu:8000/v1'", {}, "http://gpu:8000/v1", None),
        ("preset: groq, base_url: 'http://gw/groq'", {"GROQ_API_KEY": "k1"}, "http://gw/groq", None),
    ],
)
def test_the_file_need_not_say_what_a_preset_says(entry, environ, url, key):
    config = loaded(entry, **environ).upstreams["g"].config
    assert config.url == url
    assert config.base_url is not None
    assert (config.api_key.reveal() if config.api_key else None) == key


def test_a_key_that_a_preset_needs_and_that_is_not_there():
    with pytest.raises(ConfigError) as caught:
        loaded("preset: groq")
    assert str(caught.value) == (
        "f.yaml:2:6: upstreams.g.api_key: environment variable GROQ_API_KEY is not set   "
        "(set GROQ_API_KEY before starting)"
    )
    skipped = loaded("preset: groq, requires_env: GROQ_API_KEY").skipped
    assert [one.name for one in skipped] == ["g", "m"]


def test_a_preset_that_nobody_knows():
    with pytest.raises(ConfigError, match=r'upstreams\.g\.preset: invalid value "grok"') as caught:
        loaded("preset: grok")
    assert "base_url" not in str(caught.value)


def test_every_setting_is_documented_and_no_other_is_taken():
    for field in msgspec.inspect.type_info(OpenAICompatibleConfig).fields:
        assert isinstance(field.type, msgspec.inspect.Metadata), field.name
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"base_url": "http://127.0.0.1:1", "api_bse": "x"}, OpenAICompatibleConfig)
