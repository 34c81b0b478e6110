import subprocess
import sys

import pytest

from bench.elsewhere import check_runs, target
from bench.processes import ROOT, StartFailed
from bench.targets import UPSTREAM, free_port


def test_a_url_is_a_target_with_all_that_is_said_of_it():
    found = target(
        "mine=https://proxy.example/openai/v1/,dialect=chat,key=env:MINE,model=gpt-4o,pid=12", {"MINE": "sk-1"}
    )
    assert (found.host, found.port, found.tls, found.base) == ("proxy.example", 443, True, "/openai/v1")
    assert (found.dialect, found.model, found.pid) == ("chat", "gpt-4o", 12)
    assert found.headers == {"authorization": "Bearer sk-1"}
    plain = target("mine=http://127.0.0.1:4000/v1", {})
    assert (plain.port, plain.tls, plain.dialect, plain.headers, plain.pid) == (4000, False, "responses", {}, None)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("http://127.0.0.1:4000/v1", "NAME=URL"),
        ("mine=127.0.0.1:4000", "NAME=URL"),
        ("mine=http://a/v1,dialekt=chat", "'dialekt'"),
        ("mine=http://a/v1,dialect=gemini", "neither"),
        ("mine=http://a/v1,key=sk-1", "env:NAME"),
        ("mine=http://a/v1,key=env:MISSING", "no MISSING"),
        ("mine=http://a/v1,pid=x", "no number"),
    ],
)
def test_what_is_no_target_is_refused_with_the_reason(words, why):
    with pytest.raises(ValueError, match=why):
        target(words, {})


def test_nobody_at_a_url_is_said_before_anything_starts():
    with pytest.raises(StartFailed, match=r"mine: nobody answers at http://127\.0\.0\.1:\d+/v1"):
        check_runs(target(f"mine=http://127.0.0.1:{free_port()}/v1", {}))


@pytest.mark.skipif(sys.platform != "linux", reason="the bench needs Linux")
def test_a_proxy_that_runs_already_is_measured_and_a_wrong_one_is_found(tmp_path):
    port = free_port()
    bench = [sys.executable, "-m", "bench", "--quick", "--only", "paced", "--targets", "direct", "--target"]
    with UPSTREAM.start(tmp_path, set()) as other:
        at = f"http://127.0.0.1:{UPSTREAM.listening(other)}/v1"
        good = _run([*bench, f"mine={at},dialect=chat,model=any,pid={other.pid}", "--upstream", str(port)])
        wrong = _run([*bench, f"mine={at},dialect=responses"])
    assert good.returncode == 0, good.stderr
    row = next(line for line in good.stdout.splitlines() if line.startswith("mine"))
    assert float(row.split()[1]) > 0
    assert row.split()[-1] == "0"
    assert wrong.returncode == 1
    assert "does not give the answer of the bench's upstream" in wrong.stderr
    assert "Traceback" not in wrong.stderr + good.stderr


def _run(command):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
