"""EventLog: what a stream said, read again from anywhere with the same bytes."""

from __future__ import annotations

import msgspec
import pytest

from proxy.api.responses.encoder import ResponsesEncoder
from proxy.api.responses.event_log import DONE, LARGEST, EventLog, zstd
from proxy.api.responses.event_writer import delta_template
from proxy.errors import UpstreamStreamError
from proxy.events import (
    Annotation,
    Event,
    Finish,
    OutputItem,
    ReasoningDelta,
    Refusal,
    TextDelta,
    ToolCallDelta,
    UpstreamFailed,
)
from tests.support.encoding import call, encoder
from tests.support.machines import Form

TEMPLATE = delta_template("response.output_text.delta", {"item_id": "msg_%d", "output_index": 0})
OTHER = delta_template("response.refusal.delta", {"item_id": "msg_1"})


def log_of(machine: ResponsesEncoder) -> EventLog:
    """Returns the log that the encoder keeps."""
    assert machine.log is not None
    return machine.log


def small() -> EventLog:
    """Returns a log of one text in two templates, ended."""
    log = EventLog()
    log.entries.append(("response.created", b'{"a":1}'))
    log.use(TEMPLATE)
    log.entries += ["one", b"event: x\ndata: {}\n\n", "two"]
    log.use(OTHER)
    log.entries.append("three")
    log.hold("response.completed", b'{"a":2}')
    return log


def test_deltas_are_written_by_the_template_in_force() -> None:
    out, position = small().render(0, 100)
    assert out == (
        b'event: response.created\ndata: {"type":"response.created","sequence_number":0,"response":{"a":1}}\n\n'
        + TEMPLATE % (1, b'"one"')
        + b"event: x\ndata: {}\n\n"
        + TEMPLATE % (3, b'"two"')
        + OTHER % (4, b'"three"')
    )
    assert position == 5


def test_the_end_is_read_when_it_is_released() -> None:
    log = small()
    assert (log.last, log.ended, log.render(5, 9)) == (4, False, (b"", 5))
    log.release()
    end = b'event: response.completed\ndata: {"type":"response.completed","sequence_number":5,"response":{"a":2}}\n\n'
    assert (log.last, log.ended, log.render(5, 9)) == (5, True, (end + DONE, 7))
    assert log.render(7, 9) == (b"", 7)
    log.release()
    assert len(log.entries) == 7
