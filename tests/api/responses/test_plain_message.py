"""A message of one text by templates: the same bytes as by the way that every other item takes."""

from __future__ import annotations

import pytest

from proxy.api.responses.event_log import EventLog
from proxy.api.responses.event_writer import EventWriter
from proxy.api.responses.open_calls import OpenCalls
from proxy.api.responses.open_item import OpenItem
from proxy.api.responses.output import Output
from proxy.api.responses.output_items import ItemStatus, MessageItem

TEXTS = [[], ["x"], ['"q" \\ \n', "é😀 %d %b", "\x7f\u2028"]]


class Written:
    """What one way writes: the open item, what the client gets, the log's entries, the items that are kept."""

    def __init__(self, *, heard: bool, item_id: str) -> None:
        log = EventLog()
        self.writer = EventWriter(log)
        self.writer.heard = heard
        self.writer.next = 7
        self.output = Output(self.writer, item_id.format)
        self.output.place()  # it is not the first item
        calls = OpenCalls(self.writer, self.output, None, obfuscation=False)
        self.item = OpenItem(self.writer, self.output, calls, seal=None, show_sealed=False, obfuscation=False)
        self.out: list[bytes] = []

    def said(self) -> tuple[object, ...]:
        """Returns all of it."""
        log = self.writer.log
        assert log is not None
        out = [event for event in self.out if event]
        entries = [entry for entry in log.entries if entry]
        return out, entries, self.writer.next, self.output.items()[1:], self.output.chars(), self.item.chars()


@pytest.mark.parametrize("texts", TEXTS)
@pytest.mark.parametrize("status", ["completed", "incomplete"])
@pytest.mark.parametrize("item_id", ["{}_{}", '%d"{}\\{}'])
@pytest.mark.parametrize("heard", [True, False])
def test_templates_write_what_objects_do(
    texts: list[str], status: ItemStatus, item_id: str, heard: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    short, long = (Written(heard=heard, item_id=item_id) for _ in range(2))
    for one, begin in ((short, short.item.begin_text), (long, lambda out: long.item.part_of("output_text", out))):
        part = begin(one.out)
        for text in texts:
            one.item.delta(part, text, one.out)
    assert short.said() == long.said()
    short.item.close(short.out, status)
    monkeypatch.setattr(MessageItem, "is_plain", lambda item: False)
    long.item.close(long.out, status)
    assert short.said() == long.said()
    assert bool(short.out) == heard
    assert short.item.item is None is short.item.part
    after = [one.item.part_of("output_text", []).start for one in (short, long)]
    assert after == [sum(map(len, texts))] * 2
