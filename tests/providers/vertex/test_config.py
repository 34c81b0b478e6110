import pytest

from proxy.config.types import Mistake, Secret
from proxy.providers.vertex.address import UNKNOWN_PROJECT
from proxy.providers.vertex.config import VertexConfig

ACCOUNT = '{"type":"service_account","project_id":"of-the-account"}'


@pytest.fixture(autouse=True)
def without_variables(monkeypatch):
    for name in ("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)


def place(**settings):
    return VertexConfig(**settings).place()


def test_nothing_at_all_is_the_global_place_of_whatever_credentials_there_are():
    assert place().parent == f"https://aiplatform.googleapis.com/v1/projects/{UNKNOWN_PROJECT}/locations/global"


def test_a_place_of_ones_own():
    settings = {"project": "p", "location": "eu", "api_version": "v1beta1", "base_url": "http://127.0.0.1:1/vertex/"}
    assert place(**settings).parent == "http://127.0.0.1:1/vertex/v1beta1/projects/p/locations/eu"


def test_the_project_is_that_of_the_file_the_credentials_or_the_environment(monkeypatch):
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "of-the-environment")
    assert place().project == "of-the-environment"
    assert place(credentials=Secret(ACCOUNT)).project == "of-the-account"
    assert place(credentials=Secret(ACCOUNT), project="of-the-file").project == "of-the-file"
    assert place(credentials=Secret('{"type":"external_account"}')).project == "of-the-environment"
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "no/project")
    assert place().project == UNKNOWN_PROJECT


def test_express_mode_has_no_project(monkeypatch):
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    assert place(api_key=Secret("k")).project is None


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"location": "us.evil.example"}, "location"),
        ({"project": "a/b"}, "project"),
        ({"quota_project": "A B"}, "quota_project"),
        ({"base_url": "aiplatform.googleapis.com"}, "base_url"),
        ({"api_key": Secret("k"), "project": "p"}, "api_key"),
        ({"credentials": Secret("not json", "file:key.json")}, "file:key.json"),
        ({"credentials": Secret("[]")}, "credentials"),
    ],
)
def test_mistakes_are_found_when_the_file_is_read(settings, what):
    with pytest.raises(Mistake) as caught:
        VertexConfig(**settings)
    assert what in caught.value.what


def test_credentials_that_are_not_looked_up_are_not_judged():
    assert VertexConfig(credentials=Secret("", "file:key.json")).location == "global"
