import msgspec
import pytest

from proxy.config.types import Mistake
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
    with pytest.raises(TypeError):
        OpenAICompatibleConfig()
    with pytest.raises(Mistake):
        OpenAICompatibleConfig(base_url="localhost")


def test_the_profile_of_the_file_counts_before_that_of_the_host():
    mistral = "https://api.mistral.ai/v1"
    assert OpenAICompatibleConfig(base_url=mistral).chat_profile().tool_call_ids == "nine"
    own = ChatProfile(token_limit="max_completion_tokens")
    assert OpenAICompatibleConfig(base_url=mistral, profile=own).chat_profile() is own
    assert OpenAICompatibleConfig(base_url="http://127.0.0.1:1").chat_profile() == ChatProfile()


def test_every_setting_is_documented_and_no_other_is_taken():
    for field in msgspec.inspect.type_info(OpenAICompatibleConfig).fields:
        assert isinstance(field.type, msgspec.inspect.Metadata), field.name
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"base_url": "http://127.0.0.1:1", "api_bse": "x"}, OpenAICompatibleConfig)
