"""A request on its way."""

from __future__ import annotations

from proxy.providers.bedrock.config import BedrockProfile
from proxy.providers.bedrock.draft import Draft, Target
from proxy.providers.bedrock.families import family_of
from proxy.providers.bedrock.messages import Conversation
from tests.support.asked import request
from tests.support.bedrock_asked import NOVA


def test_instructions_come_behind_those_that_are_there() -> None:
    said = Conversation([{"text": "Be brief."}], [])
    target = Target(model=NOVA, family=family_of(NOVA), profile=BedrockProfile())
    draft = Draft(request(), target, said, lambda name: None)
    draft.instruct("Answer in French.")
    draft.instruct(" ")
    assert said.system == [{"text": "Be brief."}, {"text": "Answer in French."}]
    assert draft.body == draft.inference == draft.extra == {}
