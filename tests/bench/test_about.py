from bench import about as module
from bench.about import about, machine


def test_the_command_the_versions_and_the_day_are_known(monkeypatch):
    monkeypatch.setattr(module.litellm, "is_installed", lambda: False)
    found = about(["--only", "paced"])
    assert found.command == "python -m bench --only paced"
    assert {"aiohttp", "msgspec", "uvloop"} <= set(found.versions)
    assert "LiteLLM" not in found.versions
    assert len(found.date) == 10
    assert found.machine.startswith(machine()[:20])
