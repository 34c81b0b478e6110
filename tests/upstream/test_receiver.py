"""What comes on an upstream's connection goes to the shortcut where a chunk may begin, and else is read."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.forms import Form, each_form


class Takes:
    """Takes reads of one kind; some raise."""

    def __init__(self) -> None:
        self.offered: list[bytes] = []

    def take(self, read: bytes) -> float:
        """Takes what begins with an a."""
        self.offered.append(read)
        if read == b"raise":
            raise ValueError("no")
        return 7.5 if read.startswith(b"a") else 0.0


def receives(form: Form) -> Any:
    """Returns a receiver that keeps what it reads."""

    class Reads(form.Receiver):  # type: ignore[name-defined, misc]
        """Keeps it."""

        def __init__(self) -> None:
            super().__init__()
            self.came: list[bytes] = []

        def read(self, data: bytes) -> None:
            """Keeps what nobody has taken."""
            self.came.append(data)

    return Reads()


@each_form
def test_reads_are_offered_between_two_chunks_only_and_what_is_taken_is_a_sign_of_life(form: Form) -> None:
    one = receives(form)
    one.shortcut = takes = Takes()
    one.data_received(b"a0")
    assert (one.came, takes.offered, one.last) == ([b"a0"], [], 0.0)
    one.between = True
    one.data_received(b"a1")
    one.data_received(b"a2")
    assert (one.came, takes.offered, one.last) == ([b"a0"], [b"a1", b"a2"], 7.5)
    one.last = 1.0
    one.data_received(b"b")
    one.data_received(b"a3")
    assert (one.came, takes.offered, one.last) == ([b"a0", b"b", b"a3"], [b"a1", b"a2", b"b"], 1.0)


@each_form
def test_without_a_shortcut_all_is_read(form: Form) -> None:
    one = receives(form)
    one.between = True
    one.data_received(b"a")
    assert (one.came, one.between) == ([b"a"], False)


@each_form
def test_what_a_shortcut_raises_is_the_transports(form: Form) -> None:
    one = receives(form)
    one.shortcut = Takes()
    one.between = True
    with pytest.raises(ValueError, match="no"):
        one.data_received(b"raise")
