import json

from bench.targets import NAMES, known


def test_penstock_serves_the_shipped_stages_with_its_log_in_a_file(tmp_path):
    targets = known(4711, tmp_path)
    assert tuple(targets) == NAMES
    config = json.loads((tmp_path / "pipeline.yaml").read_text())
    assert config["upstreams"]["up"]["base_url"] == "http://127.0.0.1:4711/v1"
    stages = [stage if isinstance(stage, str) else next(iter(stage)) for stage in config["pipeline"]]
    assert stages[:2] == ["route", "stream-translate"]
    for stage in config["pipeline"]:
        if isinstance(stage, dict) and "log" in stage:
            assert stage["log"]["to"].startswith(str(tmp_path))
