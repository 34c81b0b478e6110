import msgspec
import pytest

from proxy.config.types import Mistake
from proxy.providers.chat.profile import ChatProfile


def test_every_switch_is_documented():
    for field in msgspec.inspect.type_info(ChatProfile).fields:
        assert isinstance(field.type, msgspec.inspect.Metadata), field.name
        assert field.type.extra_json_schema["description"], field.name


def test_a_switch_that_does_not_exist_is_refused():
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"max_token": 5}, ChatProfile)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"think_tags": "sometimes"}, ChatProfile)


@pytest.mark.parametrize("name", ["model", "messages", "stream", "stream_options", "tools"])
def test_extra_fields_cannot_replace_what_comes_from_the_request(name):
    with pytest.raises(Mistake, match=name):
        ChatProfile(extra_body={name: 1})
