"""Batches on disk are there whole or not at all, and belong to one process at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.logs.spool import Spool


def test_what_a_process_leaves_is_found_by_one_other(tmp_path: Path) -> None:
    first, second, third = (Spool(tmp_path, 1000) for _ in range(3))
    for spool in (first, second, third):
        spool.open()
    assert first.write("b", b"two") is not None
    path = first.write("a", b"one")
    assert path is not None
    assert second.adopt() == []
    (path.parent / "c.aabbcc.part").write_bytes(b"cut off")
    first.close()
    found = second.adopt()
    assert [each.read_bytes() for each in found] == [b"one", b"two"]
    assert third.adopt() == second.adopt() == []
    for each in found:
        each.unlink()
    for spool in (second, third):
        spool.close()
    assert list(tmp_path.iterdir()) == []


def test_the_room_is_shared(tmp_path: Path) -> None:
    first, second = Spool(tmp_path, 10), Spool(tmp_path, 10)
    first.open()
    second.open()
    assert first.write("a", b"123456") is not None
    assert second.write("b", b"12345") is None
    path = second.write("b", b"1234")
    assert path is not None
    assert second.write("c", b"1") is None
    path.unlink()
    assert second.write("c", b"1") is not None
    first.close()
    second.close()


def test_a_disk_that_fails_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, 1000)
    spool.open()

    def fail(path: Path, target: Path) -> None:
        raise OSError("disk")

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="disk"):
        spool.write("a", b"one")
    spool.close()
    assert list(tmp_path.iterdir()) == []
