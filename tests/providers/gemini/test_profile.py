import pytest

from proxy.providers.gemini.profile import profile_of


@pytest.mark.parametrize(
    ("model", "thinking", "minimal", "least", "most", "signatures"),
    [
        ("gemini-2.0-flash", "none", False, 0, 24_576, False),
        ("gemini-1.5-pro-002", "none", False, 128, 32_768, False),
        ("gemini-2.5-flash", "budget", False, 0, 24_576, False),
        ("gemini-2.5-flash-lite", "budget", False, 0, 24_576, False),
        ("models/gemini-2.5-pro", "budget", False, 128, 32_768, False),
        ("gemini-2.5-flash-image", "none", False, 0, 24_576, False),
        ("gemini-3-flash-preview", "level", True, 0, 24_576, True),
        ("gemini-3.1-pro-preview", "level", False, 128, 32_768, True),
        ("gemini-3.7-flash", "level", False, 0, 24_576, True),
        ("gemini-3-pro-image-preview", "none", False, 128, 32_768, True),
        ("gemini-flash-latest", "level", False, 0, 24_576, True),
        ("publishers/google/models/gemini-2.5-pro", "budget", False, 128, 32_768, False),
        ("something-new", "level", False, 0, 24_576, True),
    ],
)
def test_what_models_take_is_read_from_their_names(model, thinking, minimal, least, most, signatures):
    profile = profile_of(model)
    assert (profile.thinking, profile.minimal, profile.signatures) == (thinking, minimal, signatures)
    assert (profile.least_budget, profile.most_budget) == (least, most)


def test_gemma_takes_no_instructions():
    profile = profile_of("gemma-3-27b-it")
    assert (profile.system, profile.thinking, profile.mixes) == (False, "none", False)


@pytest.mark.parametrize(("model", "old"), [("gemini-2.0-flash", True), ("gemini-2.5-flash", False)])
def test_penalties_are_taken_by_models_of_old(model, old):
    assert profile_of(model).penalties is old
    assert profile_of(model).validated is not old
