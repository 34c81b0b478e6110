"""The event log of every recorded stream: from any event on it says the same bytes as the stream did."""

from __future__ import annotations

import pytest

from proxy.api.responses.encoder_options import EncoderOptions
from proxy.api.responses.event_log import EventLog
from tests.support.fixtures import recording, recordings
from tests.support.grammar import check_stream
from tests.support.logs import check_log
from tests.support.machines import Setup, Translation, translate

PATHS = [row["path"] for row in recordings("openai-chat-completions-stream")]


@pytest.mark.parametrize("path", PATHS)
def test_a_recorded_stream_is_read_again_from_anywhere(path: str) -> None:
    machines = Translation(Setup(options=EncoderOptions(keep_log=True)))
    raw = recording(path)
    stream = machines.encoder.begin() + machines.feed(raw) + machines.finish()
    assert stream == translate(raw)
    log = machines.encoder.log
    assert log is not None
    check_log(log, stream)
    check_log(EventLog.from_bytes(log.to_bytes()), stream)


@pytest.mark.parametrize("path", PATHS)
def test_a_recorded_stream_that_is_cancelled_is_read_again(path: str) -> None:
    machines = Translation(Setup(options=EncoderOptions(keep_log=True)))
    raw = recording(path)
    stream = machines.encoder.begin() + machines.feed(raw[: len(raw) // 2]) + machines.encoder.cancel()
    log = machines.encoder.log
    assert log is not None
    check_stream(stream)
    check_log(EventLog.from_bytes(log.to_bytes()), stream)
