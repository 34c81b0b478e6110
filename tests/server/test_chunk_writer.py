"""Chunks go to the client's transport as they are, as long as there is one."""

from __future__ import annotations

from tests.support.forms import Form, each_form


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Keeps it."""
        self.written.append(data)


@each_form
def test_a_chunk_is_written_and_ends_the_silence(form: Form) -> None:
    writer = form.ChunkWriter()
    writer.transport = transport = Transport()
    writer.quiet += 2
    writer.send(b"1\r\na\r\n")
    assert (transport.written, writer.quiet) == ([b"1\r\na\r\n"], 0)


@each_form
def test_nothing_is_written_once_the_connection_is_gone(form: Form) -> None:
    writer = form.ChunkWriter()
    assert writer.transport is None
    writer.quiet = 2
    writer.send(b"1\r\na\r\n")
    assert writer.quiet == 2
