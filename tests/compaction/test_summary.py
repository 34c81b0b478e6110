import msgspec
import pytest

from proxy.api.raw import Raw
from proxy.compaction.summary import Summary, compaction_item, opened
from proxy.errors import BadRequest
from proxy.sealing import Sealing
from tests.support.asked import SEALING

KEPT = [Raw(b'{"role":"user","content":"\xc3\xa9"}'), Raw(b'{"type":"function_call"}')]


@pytest.mark.parametrize("kind", ["window", "trigger", "threshold"])
def test_an_item_holds_its_summary(kind):
    item = compaction_item(Summary(kind, "all of it", KEPT), SEALING)
    assert set(item) == {"id", "type", "encrypted_content"}
    assert item["type"] == "compaction"
    assert item["id"].startswith("cmp_")
    assert opened(item["encrypted_content"], SEALING, "p") == Summary(kind, "all of it", KEPT)


def test_in_its_place_stand_the_summary_and_what_was_kept():
    message, *kept = Summary("threshold", "all of it", KEPT).items()
    said = msgspec.json.decode(message)
    assert (said["type"], said["role"]) == ("message", "developer")
    assert said["content"].endswith("\n\nall of it")
    assert kept == KEPT


def test_the_same_summary_is_always_the_same_bytes():
    assert Summary("trigger", "x").items() == Summary("trigger", "x").items()


def test_what_others_made_is_not_opened():
    assert opened("gAAAAABpj5jC", SEALING, "p") is None


@pytest.mark.parametrize(
    ("blob", "why"),
    [
        ("pst2.AAAA", "it is not whole"),
        (
            compaction_item(Summary("trigger", "x"), Sealing.fresh())["encrypted_content"],
            "a key that is not known here",
        ),
        (SEALING.seal(b"{}", "compaction"), "it is of another version"),
        (SEALING.seal(b'{"k":"trigger","t":"x"}', "reasoning"), "it has been changed"),
    ],
    ids=["cut", "key", "version", "purpose"],
)
def test_what_cannot_be_opened_is_the_client_s_mistake(blob, why):
    with pytest.raises(BadRequest, match=why) as caught:
        opened(blob, SEALING, "input[3].encrypted_content")
    assert (caught.value.param, caught.value.code) == ("input[3].encrypted_content", "invalid_encrypted_content")
