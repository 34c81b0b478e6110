"""Chunks go to the client's connection as they are, as long as it stands."""

from __future__ import annotations

from tests.support.forms import Form, each_form


class Connection:
    """A connection that is its own transport, and keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.transport: Connection | None = self

    def write(self, data: bytes) -> None:
        """Keeps it."""
        self.written.append(data)


@each_form
def test_a_chunk_is_written_and_ends_the_silence(form: Form) -> None:
    connection = Connection()
    writer = form.ChunkWriter(connection)
    writer.quiet += 2
    writer.send(b"1\r\na\r\n")
    assert (connection.written, writer.quiet) == ([b"1\r\na\r\n"], 0)


@each_form
def test_nothing_is_written_once_the_connection_is_gone(form: Form) -> None:
    connection = Connection()
    writer = form.ChunkWriter(connection)
    connection.transport = None
    writer.quiet = 2
    writer.send(b"1\r\na\r\n")
    assert (connection.written, writer.quiet) == ([], 2)
