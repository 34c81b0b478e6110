import msgspec
import pytest

from bench.compare import compared, read
from bench.load import Report
from bench.results import Measured, Result


def result(cost):
    runs = [Measured(name, 0, one, None, 0.0, Report()) for name, one in (("pass-through", 10.0), ("penstock", cost))]
    return Result("paced", "us/delta", runs, {})


def test_an_earlier_run_is_read_and_ratios_are_compared(tmp_path):
    path = tmp_path / "old.json"
    path.write_bytes(msgspec.json.encode({"machine": "m", "quick": False, "micro": [], "paced": result(20.0)}))
    told = compared(read(path), {"paced": result(15.0), "plain": result(1.0)})
    assert [line.split() for line in told.splitlines()][-1] == ["paced:", "penstock", "2.00", "1.50", "-25", "%", "-"]
    assert "plain" not in told


def test_what_is_no_run_is_refused(tmp_path):
    path = tmp_path / "old.json"
    path.write_text('{"paced": {"runs": 3}}')
    with pytest.raises(msgspec.MsgspecError):
        read(path)
