import pytest

from proxy.api.responses.fields import EFFORTS
from proxy.providers.gemini.profile import profile_of
from proxy.providers.gemini.settings import ThinkingBudgets
from proxy.providers.gemini.thinking import thinking_config

NONE = ThinkingBudgets()


def config(effort, model, *, budgets=NONE, thoughts=False):
    return thinking_config(effort, profile_of(model), budgets, thoughts=thoughts)


@pytest.mark.parametrize(
    ("model", "levels"),
    [
        ("gemini-3-flash-preview", ["minimal", "minimal", "low", "medium", "high", "high", "high"]),
        ("gemini-3.1-pro-preview", ["low", "low", "low", "medium", "high", "high", "high"]),
    ],
)
def test_levels(model, levels):
    assert [config(effort, model) for effort in EFFORTS] == [{"thinkingLevel": level} for level in levels]


@pytest.mark.parametrize(
    ("model", "budgets"),
    [
        ("gemini-2.5-flash", [0, 512, 1024, 8192, 24_576, 24_576, 24_576]),
        ("gemini-2.5-pro", [128, 512, 1024, 8192, 32_768, 32_768, 32_768]),
    ],
)
def test_budgets(model, budgets):
    assert [config(effort, model) for effort in EFFORTS] == [{"thinkingBudget": tokens} for tokens in budgets]


def test_the_file_may_set_each_budget():
    budgets = ThinkingBudgets(none=64, medium=-1, max=9)
    model = "gemini-2.5-flash"
    assert [
        config(effort, model, budgets=budgets)["thinkingBudget"] for effort in ("none", "medium", "max", "low")
    ] == [
        64,
        -1,
        9,
        1024,
    ]


def test_without_an_effort_the_model_chooses():
    assert config(None, "gemini-3-flash-preview") == {}
    assert config(None, "gemini-2.5-flash", thoughts=True) == {"includeThoughts": True}


def test_there_are_no_thoughts_to_show_where_there_is_no_thinking():
    assert config("none", "gemini-2.5-flash", thoughts=True) == {"thinkingBudget": 0}
    assert config("high", "gemini-2.0-flash", thoughts=True) == {}
