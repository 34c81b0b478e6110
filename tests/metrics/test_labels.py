"""Labels that no client can multiply."""

from __future__ import annotations

from proxy.events import Usage
from proxy.metrics.labels import CodeLabels, ModelLabels
from tests.support.books import ended


def test_12_4_a_model_is_itself_only_when_the_file_or_an_upstream_knows_it() -> None:
    labels = ModelLabels(most=2)
    assert labels.of(ended(model="m")) == "m"
    assert labels.of(ended("rejected", model="typo")) == "other"
    assert labels.of(ended("failed", Usage(), model="wild-typo")) == "wild-*"
    assert [labels.of(ended("completed", Usage(), model=f"wild-{n}")) for n in range(4)] == [
        "wild-0", "wild-1", "wild-*", "wild-*"
    ]  # fmt: skip
    assert labels.of(ended("rejected", model="wild-0")) == "wild-0"
    for name in ("x" * 500, "sk-ant-0123456789abcdef"):
        assert ModelLabels().of(ended("completed", Usage(), model=f"wild-{name}")) == "wild-*"


def test_an_error_code_is_itself_when_it_looks_like_one_and_there_are_not_many() -> None:
    labels = CodeLabels(most=2)
    codes = [None, "slow_down", 'no{"code"}', "x" * 65, "b", "c", "slow_down"]
    assert [labels.of("e", code) for code in codes] == [
        "none",
        "slow_down",
        "other",
        "other",
        "b",
        "other",
        "slow_down",
    ]


def test_an_upstream_that_makes_up_codes_takes_none_from_others() -> None:
    labels = CodeLabels()
    assert len({labels.of("liar", f"made_up_{number}") for number in range(200)}) == 51
    assert [labels.of("liar", code) for code in ("rate_limit_exceeded", "server_error")] == [
        "rate_limit_exceeded", "server_error"
    ]  # fmt: skip
    assert labels.of("honest", "quota_of_tuesday") == "quota_of_tuesday"
