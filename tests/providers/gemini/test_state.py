import json

from proxy.api.raw import Raw
from proxy.api.responses.items import decode_item
from proxy.providers.gemini.state import entries_of, known_entries, sealer, state_of
from proxy.sealing import Sealing
from tests.support.asked import SEALING

ENTRY = state_of("c2ln", "gemini/m", "call", id="x").state["details"][0]


def thought(sealed):
    item = {"type": "reasoning", "summary": [], "encrypted_content": sealed}
    return [decode_item(Raw(json.dumps(item).encode()), "input[0]")]


def sealed(details, family="gemini", model="m"):
    return sealer(family, model, SEALING)({"field": "reasoning_details", "details": details}, "hm")


def test_what_was_sealed_is_read_by_the_same_model():
    assert entries_of(thought(sealed([ENTRY, ENTRY])), "gemini", "m", SEALING) == [ENTRY, ENTRY]


def test_another_model_upstream_or_key_reads_nothing():
    kept = thought(sealed([ENTRY]))
    assert entries_of(kept, "gemini", "other", SEALING) == []
    assert entries_of(kept, "vertex", "m", SEALING) == []
    assert entries_of(kept, "gemini", "m", Sealing(["another"])) == []


def test_what_others_have_encrypted_is_nothing():
    assert entries_of(thought("gAAAAABo"), "gemini", "m", SEALING) == []
    assert entries_of(thought(None), "gemini", "m", SEALING) == []


def test_thinking_without_signatures_is_not_worth_sealing():
    assert sealed([]) is None
    assert sealer("gemini", "m", SEALING)({}, "hm") is None


def test_entries_of_other_forms_are_nobodys():
    other = {**ENTRY, "format": "anthropic-claude-v1"}
    assert known_entries([ENTRY, other, {**ENTRY, "data": 5}, "x", None]) == [ENTRY]
    assert known_entries("x") == []
    assert known_entries([ENTRY], "gemini/other") == []
    assert known_entries([ENTRY], "gemini/m") == [ENTRY]
