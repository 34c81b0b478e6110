"""Folding is done character by character, and the quick way equals the slow one."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.matching import Folding
from proxy.matching.folding import in_word, invisible

WAYS = [Folding(case_sensitive=case, normalize=normalize) for case in (False, True) for normalize in (False, True)]


@pytest.mark.parametrize("folding", WAYS)
@given(text=st.text(max_size=20))
def test_the_quick_way_folds_the_same_or_declines(folding: Folding, text: str) -> None:
    simple = folding.simple(text)
    if simple is None:
        assert any(len(folding.char(char)) != 1 for char in text)
    else:
        assert simple == folding.text(text)
        assert len(simple) == len(text)


@given(st.text(max_size=10))
def test_text_folds_as_its_other_case_and_form_do(text: str) -> None:
    folding = Folding(case_sensitive=False, normalize=False)
    assert folding.text(text) == text.casefold()
    loose = Folding(case_sensitive=False, normalize=True)
    composed = unicodedata.normalize("NFC", unicodedata.normalize("NFD", text))
    assert sorted(loose.text(composed)) == sorted(loose.text(unicodedata.normalize("NFD", text)))


def test_the_table_stays_small() -> None:
    folding = Folding(case_sensitive=False, normalize=True)
    for start in range(0x3400, 0x3400 + 60_000, 100):
        folding.simple("".join(map(chr, range(start, start + 100))).encode("utf-8", "replace").decode())
    assert len(folding._table) <= 20_000


def test_what_shows_nothing_and_what_makes_a_word() -> None:
    assert all(map(invisible, "\u200b\u200d\ufeff\u00ad\ufe0f\u034f\u2062"))
    assert not any(map(invisible, "a \n0é"))
    assert all(map(in_word, "aZ0_é猫\u0301"))
    assert not any(map(in_word, " .-\n+"))
