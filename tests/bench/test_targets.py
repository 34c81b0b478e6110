import json

import pytest

from bench import targets
from bench.peers import litellm
from bench.processes import StartFailed
from bench.targets import NAMES, check_installed, known


def test_penstock_serves_the_shipped_stages_with_its_log_and_store_in_the_directory(tmp_path):
    assert tuple(known(4711, tmp_path)) == NAMES
    config = json.loads((tmp_path / "shipped.yaml").read_text())
    assert config["upstreams"]["up"]["base_url"] == "http://127.0.0.1:4711/v1"
    stages = [stage if isinstance(stage, str) else next(iter(stage)) for stage in config["pipeline"]]
    assert stages[:2] == ["route", "stream-translate"]
    logs = [stage["log"]["to"] for stage in config["pipeline"] if isinstance(stage, dict) and "log" in stage]
    assert [log.startswith(str(tmp_path)) for log in logs] == [True]
    assert config["stores"]["responses"] == {"kind": "sqlite", "path": str(tmp_path / "shipped.db"), "keep": "30d"}


def test_penstock_without_store_and_log_is_another_target(tmp_path):
    known(4711, tmp_path)
    config = json.loads((tmp_path / "bare.yaml").read_text())
    assert config["pipeline"] == ["route", "stream-translate"]
    assert config["stores"] == {"responses": {"kind": "none"}}
    storeless, shipped = (json.loads((tmp_path / f"{name}.yaml").read_text()) for name in ("storeless", "shipped"))
    assert storeless["stores"] == config["stores"]
    assert len(storeless["pipeline"]) == len(shipped["pipeline"])


def test_what_has_one_stage_more_differs_in_that_alone(tmp_path):
    known(4711, tmp_path)

    def stages(name):
        config = json.loads((tmp_path / f"{name}.yaml").read_text())
        return [one if isinstance(one, str) else next(iter(one)) for one in config["pipeline"]], config["stores"]

    bare, no_store = ["route", "stream-translate"], {"responses": {"kind": "none"}}
    assert stages("with-log") == ([*bare, "log"], no_store)
    assert stages("with-auth") == (["auth", *bare], no_store)
    assert stages("with-budget") == (["auth", "budget", *bare], no_store)
    pipeline, stores = stages("with-store")
    assert (pipeline, stores["responses"]["path"]) == (bare, str(tmp_path / "with-store.db"))


def test_other_proxies_are_given_a_port_and_said_who_asks(tmp_path):
    found = known(4711, tmp_path)
    for name in ("nginx", "litellm"):
        assert found[name].port
        assert str(found[name].port) in (tmp_path / "nginx" / "nginx.conf").read_text() + str(found[name].command)
    assert found["litellm"].headers == {"authorization": f"Bearer {litellm.KEY}"}
    assert not found["litellm"].strict


def test_what_is_not_installed_is_said_before_anything_starts(monkeypatch, tmp_path):
    monkeypatch.setattr(litellm, "PROGRAM", tmp_path / "litellm")
    monkeypatch.setattr(targets.nginx, "program", lambda: None)
    hints = {"litellm": "python -m bench.peers.litellm", "nginx": "apt-get install"}
    for name, how in hints.items():
        with pytest.raises(StartFailed, match=how):
            check_installed(name)
    check_installed("penstock")


def test_what_a_platform_sets_up_refuses_nobody_and_finds_nothing(tmp_path):
    found = known(4711, tmp_path)
    config = json.loads((tmp_path / "policy.yaml").read_text())
    stages = [stage if isinstance(stage, str) else next(iter(stage)) for stage in config["pipeline"]]
    assert {"auth", "rate-limit", "budget", "guardrail", "route", "log", "metrics"} < set(stages)
    assert found["penstock-policy"].strict
    for name in ("penstock-guarded", "penstock-looking-behind"):
        assert not found[name].strict  # pieces are cut anew: something is held back
