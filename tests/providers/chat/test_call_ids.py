import re

from hypothesis import given
from hypothesis import strategies as st

from proxy.providers.chat.call_ids import upstream_call_id


def test_any_id_passes_where_any_will_do():
    assert upstream_call_id("call_abc", "any") == "call_abc"


def test_ids_of_nine_pass_through():
    assert upstream_call_id("aB3dE6gH9", "nine") == "aB3dE6gH9"


@given(st.text(min_size=1, max_size=64))
def test_all_others_become_nine_letters_or_digits_always_the_same(call_id):
    made = upstream_call_id(call_id, "nine")
    assert re.fullmatch(r"[A-Za-z0-9]{9}", made)
    assert made == upstream_call_id(call_id, "nine")


def test_ids_stay_apart():
    made = {upstream_call_id(f"call_{n}", "nine") for n in range(2000)}
    assert len(made) == 2000
