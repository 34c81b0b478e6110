"""Rules made into searches: what is done with what each finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config.types import Mistake
from proxy.guardrails import local
from proxy.guardrails.local import Searches, check_rule, read_words, searches_in
from tests.support.guarding import rule


def test_each_kind_of_pii_has_a_mask_of_its_own_and_blocking_rules_are_masked_in_requests() -> None:
    rules = [
        (rule(name="pii", match="pii", kinds=["credit_card", "email"], action="mask"), ()),
        (rule(name="birds", words=["bluebird"]), ("bluebird",)),
        (rule(name="numbers", match="regex", pattern="[0-9]{3}", action="flag"), ()),
    ]
    searches = Searches(rules)
    assert [(act.rule, act.does, act.mask, act.kind) for act in searches.acts] == [
        ("pii", "masked", "[credit_card]", "credit_card"),
        ("pii", "masked", "[email]", "email"),
        ("birds", "blocked", "[birds]", None),
        ("numbers", "flagged", "[numbers]", None),
    ]
    text, screen = searches.masking().whole("a@b.co 4111 1111 1111 1111 bluebird 123")
    assert text == "[email] [credit_card] [birds] 123"
    assert (screen.masked, screen.flagged) == ({0, 1, 2}, {3})
    assert searches.matcher().whole("a bluebird")[0] == "a "


def test_only_rules_that_look_there_and_are_decided_here_are_searched_by() -> None:
    rules = [
        (rule(words=["a"], scan=["input"]), ("a",)),
        (rule(match="http", url="http://127.0.0.1:9/", scan=["output"]), ()),
    ]
    assert len(searches_in("input", rules).acts) == 1
    assert not searches_in("output", rules).matcher()


@pytest.mark.parametrize("source", ["(", "a*", r"(?<=a)b"])
def test_a_pattern_that_cannot_be_used_says_why(source: str) -> None:
    with pytest.raises(Mistake, match="is wrong") as caught:
        check_rule(rule(match="regex", pattern=source))
    assert caught.value.fix == ("mend it" if source == "a*" else "mend it, or set engine: python")
    if source.startswith("(?<"):
        check_rule(rule(match="regex", pattern=source, engine="python"))


def test_without_re2_python_looks_for_patterns_unless_re2_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "has_re2", lambda: False)
    check_rule(rule(match="regex", pattern=r"(?<=a)b"))
    with pytest.raises(Mistake, match="RE2 is not installed"):
        check_rule(rule(match="regex", pattern="b", engine="re2"))


def test_a_mask_that_holds_what_the_rule_hides_is_refused() -> None:
    with pytest.raises(Mistake, match="holds what the rule hides"):
        check_rule(rule(match="pii", kinds=["email"], action="mask", mask="ask a@b.co"))
    check_rule(rule(match="http", url="http://127.0.0.1:9/"))


def test_words_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "words"
    path.write_text("\ufeff# no\n a b \n\nc\n", "utf-8")
    assert read_words(path) == ["a b", "c"]
    path.write_text("# no\n")
    with pytest.raises(ValueError, match="no words"):
        read_words(path)
