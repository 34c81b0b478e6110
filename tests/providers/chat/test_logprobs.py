"""Log probabilities in the one form of the Responses API."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.providers.chat.logprobs import logprob_entries

FULL = {"token": "a", "bytes": [97], "logprob": -0.5, "top_logprobs": [{"token": "b", "bytes": [98], "logprob": -2}]}


def test_a_full_entry_stays_as_it_is() -> None:
    assert logprob_entries([FULL]) == [FULL]


def test_bytes_and_alternatives_that_are_not_given_are_empty() -> None:
    assert logprob_entries([{"token": "a", "bytes": None, "logprob": 0}]) == [
        {"token": "a", "bytes": [], "logprob": 0, "top_logprobs": []}
    ]
    assert logprob_entries([{**FULL, "top_logprobs": [{"token": "b", "logprob": -2}]}])[0]["top_logprobs"] == [
        {"token": "b", "bytes": [], "logprob": -2}
    ]


@pytest.mark.parametrize("entry", [None, "x", {}, {"token": "a"}, {"logprob": 1}, {"token": 1, "logprob": 1}])
def test_what_is_no_entry_is_left_out(entry: Any) -> None:
    assert logprob_entries([entry, FULL]) == [FULL]
    assert logprob_entries([{**FULL, "top_logprobs": [entry]}]) == [{**FULL, "top_logprobs": []}]


@pytest.mark.parametrize("odd", ["x", {}, [None], [1.5], [True]])
def test_odd_fields_are_empty(odd: Any) -> None:
    (entry,) = logprob_entries([{**FULL, "bytes": odd, "top_logprobs": "x"}])
    assert (entry["bytes"], entry["top_logprobs"]) == ([], [])


def test_a_number_that_json_has_not_becomes_the_least() -> None:
    assert logprob_entries([{**FULL, "logprob": float("-inf")}])[0]["logprob"] == -9999.0
    assert logprob_entries([{**FULL, "logprob": float("nan")}])[0]["logprob"] == -9999.0


def test_fields_of_other_servers_are_left_out() -> None:
    assert logprob_entries([{**FULL, "token_id": 7}]) == [FULL]
