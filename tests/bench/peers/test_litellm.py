import yaml

from bench.peers.litellm import KEY, command


def test_it_translates_for_every_model_of_the_upstream(tmp_path):
    *_, port = command("http://127.0.0.1:4711/v1", 4712, tmp_path)
    config = yaml.safe_load((tmp_path / "litellm.yaml").read_text())
    (model,) = config["model_list"]
    assert (port, model["model_name"]) == ("4712", "*")
    assert model["litellm_params"]["api_base"] == "http://127.0.0.1:4711/v1"
    assert model["litellm_params"]["use_chat_completions_api"] is True
    assert config["general_settings"] == {"master_key": KEY}
