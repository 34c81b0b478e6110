from proxy.providers.gemini.settings import SafetySettings


def test_nothing_said_is_nothing_asked():
    assert SafetySettings().as_list() == []


def test_each_kind_of_harm_has_its_threshold():
    assert SafetySettings(harassment="BLOCK_NONE", dangerous_content="OFF").as_list() == [
        {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"},
        {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "threshold": "OFF"},
    ]
