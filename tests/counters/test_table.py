"""The table of counters: bounded, recycled by what is missed least, and nobody else's file."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.counters import Demand, Limit, cells
from proxy.counters.table import MOST_PROCESSES, Table

LIMIT = Limit(unit="parallel", most=5)


def demand(name: str) -> Demand:
    return Demand(name, LIMIT, 1)


def test_the_table_does_not_grow_and_keeps_what_is_held(tmp_path: Path) -> None:
    path = tmp_path / "counters"
    table = Table(str(path), rows=16)
    size = path.stat().st_size
    with table:
        column, _ = table.claim(10**15, 1000)
        held = table.row(demand("held"), 1000)[0]
        table.hold(held, column, 2)
        for number in range(200):
            table.row(demand(f"subject {number}"), 2000 + number)
        states = {state.counter: state for state in table.states(5000)}
        assert (len(states), path.stat().st_size) == (16, size)
        assert (states["held"].held, states["held"].holders[0].amount) == (2, 2)
        assert "subject 199" in states
        assert "subject 0" not in states, "the least used row was not recycled"
    table.close()


def test_a_row_that_was_recycled_is_another_counters(tmp_path: Path) -> None:
    table = Table(str(tmp_path / "counters"), rows=16)
    with table:
        at = table.row(demand("first"), 1000)[0]
        before = table.cells[at + cells.GENERATION]
        for number in range(16):
            table.row(demand(str(number)), 2000 + number)
        assert table.cells[at + cells.GENERATION] != before
        assert table.row(demand("first"), 3000) == table.row(demand("first"), 3001), "found again at once"
    table.close()


def test_what_the_dead_have_held_is_cleared_and_sums_are_mended(tmp_path: Path) -> None:
    table = Table(str(tmp_path / "counters"), rows=16)
    with table:
        dead, number = table.claim(2000, 1000)
        alive, _ = table.claim(9000, 1000)
        at = table.row(demand("one"), 1000)[0]
        table.hold(at, dead, 3)
        table.hold(at, alive, 1)
        table.cells[at + cells.HELD] += 7  # half of a write, by somebody who died in it
        assert table.clear_dead(1500) == 0
        assert table.clear_dead(2500) == 1
        assert table.cells[at + cells.HELD] == 1
        assert not table.has(dead, number)
        assert table.claim(9000, 2500)[0] == dead
        table.release(at, alive, 5)
        assert table.cells[at + cells.HELD] == 0, "never less than nothing"
    table.close()


def test_columns_run_out_with_a_clear_error(tmp_path: Path) -> None:
    table = Table(str(tmp_path / "counters"), rows=16)
    with table:
        for _ in range(MOST_PROCESSES):
            table.claim(10**15, 1000)
        with pytest.raises(ValueError, match="at most 128 processes"):
            table.claim(10**15, 1000)
    table.close()


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("not a table")
    with pytest.raises(ValueError, match="no table of counters"):
        Table(str(path))
    assert path.read_text() == "not a table"


def test_the_table_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "counters"
    Table(str(path), rows=16).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_names_of_any_length_and_kind_are_shown(tmp_path: Path) -> None:
    table = Table(str(tmp_path / "counters"), rows=64)
    names = ["x" * 300, "é" * 100, "\udce9"]
    with table:
        for name in names:
            table.row(demand(name), 1000)
        shown = {state.counter for state in table.states(1000)}
    assert "x" * 128 in shown
    assert len(shown) == 3
    table.close()


class DiesAfter:
    """Cells of a process that is killed before one of its writes."""

    def __init__(self, table: Table, writes: int) -> None:
        self.cells = table.cells
        self.left = writes

    def __getitem__(self, at: int) -> int:
        return self.cells[at]

    def __setitem__(self, at: int, value: int) -> None:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        self.cells[at] = value


@pytest.mark.parametrize("writes", range(2))
@pytest.mark.parametrize("amount", [3, -3])
def test_8_3_who_dies_between_two_writes_leaves_nothing_held(tmp_path: Path, amount: int, writes: int) -> None:
    table = Table(str(tmp_path / "counters"), rows=16)
    with table:
        dead, _ = table.claim(2000, 1000)
        at = table.row(demand("one"), 1000)[0]
        if amount < 0:
            table.hold(at, dead, -amount)
        real, table.cells = table.cells, DiesAfter(table, writes)  # type: ignore[assignment]
        with pytest.raises(KeyboardInterrupt):
            (table.hold if amount > 0 else table.release)(at, dead, abs(amount))
        table.cells = real
        assert table.clear_dead(2500) == 1
        assert table.cells[at + cells.HELD] == 0
    table.close()
