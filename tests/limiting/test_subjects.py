"""Who an exchange is counted under."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.exchange import Key
from proxy.limiting.subjects import end_user_of, subject_of, whose
from tests.support.drive import asking, exchange_of


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"safety_identifier": "s", "user": "u", "metadata": {"user_id": "m"}}, "s"),
        ({"safety_identifier": None, "user": "u", "metadata": {"user_id": "m"}}, "u"),
        ({"user": 7, "metadata": {"user_id": "m"}}, "m"),
        ({"user": "", "metadata": {"user_id": 7}}, None),
        ({"metadata": "none"}, None),
        ({}, None),
    ],
)
def test_the_end_user_is_whom_the_request_names(fields: dict[str, Any], name: str | None) -> None:
    assert end_user_of(exchange_of(asking(**fields))) == name


def test_end_users_are_those_of_a_key() -> None:
    exchange = exchange_of(asking(user="u"), key=Key("a"))
    assert subject_of(exchange, ["end_user"]) == "key=a end_user=u"
    assert subject_of(exchange_of(asking(), key=Key("a")), ["end_user"]) == "key=a"


def test_names_cannot_be_taken_for_others() -> None:
    names = ["a", "a b", "a\nb", "a_b", "x" * 70, "x" * 71, "\ud800"]
    subjects = {subject_of(exchange_of(asking(), key=Key(name)), ["key"]) for name in names}
    assert len(subjects) == len(names)
    assert all(" " not in subject and subject.isprintable() and len(subject) < 70 for subject in subjects)


def test_a_message_names_nobody() -> None:
    assert whose(["team", "model"]) == "your team and this model"
