"""Sequence numbers begin with 0."""

from __future__ import annotations

from tests.support.forms import Form, each_form


@each_form
def test_numbers_begin_with_0_and_are_counted_by_who_takes_them(form: Form) -> None:
    counted = form.Numbers()
    assert counted.next == 0
    counted.next += 1
    assert counted.next == 1
