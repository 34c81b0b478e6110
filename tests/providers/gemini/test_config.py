import msgspec
import pytest

from proxy.config.types import Mistake, Secret
from proxy.providers.gemini.config import GeminiConfig
from proxy.providers.gemini.settings import AskSettings, SafetySettings, ThinkingBudgets


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://generativelanguage.googleapis.com", "https://generativelanguage.googleapis.com/v1beta"),
        ("https://generativelanguage.googleapis.com/v1/", "https://generativelanguage.googleapis.com/v1"),
        ("http://127.0.0.1:8080/gemini/v1beta", "http://127.0.0.1:8080/gemini/v1beta"),
    ],
)
def test_where_the_api_begins(base_url, url):
    assert GeminiConfig(base_url=base_url).url == url


def test_only_a_key_is_needed():
    config = GeminiConfig(api_key=Secret("k"))
    assert config.url == "https://generativelanguage.googleapis.com/v1beta"
    assert config.ask_settings() == AskSettings()


def test_what_can_be_no_base_url():
    with pytest.raises(Mistake):
        GeminiConfig(base_url="generativelanguage.googleapis.com")


def test_how_models_are_asked_is_taken_over():
    written = {
        "safety": {"harassment": "OFF"},
        "thinking_budgets": {"high": 9},
        "include_thoughts": True,
    }
    settings = msgspec.convert(written, GeminiConfig).ask_settings()
    assert settings.safety == SafetySettings(harassment="OFF")
    assert settings.thinking_budgets == ThinkingBudgets(high=9)
    assert settings.include_thoughts


@pytest.mark.parametrize(
    "written",
    [
        {"safety": {"harassment": "SOMETIMES"}},
        {"safety": {"violence": "OFF"}},
        {"thinking_budgets": {"high": -2}},
        {"thinking_budgets": {"huge": 1}},
        {"region": "eu"},
    ],
)
def test_what_is_not_known_is_refused(written):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(written, GeminiConfig)
