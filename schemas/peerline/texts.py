"""What a programme says to people, and whom it gives them to turn to."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from peerline.sections import Section, Zone

TELLING_WORDS = re.compile(
    r"\b(peer|support\w*|wellness|incident|event|patient|death|error|crisis|litigation|referral|case)\b", re.IGNORECASE
)
"""Words that would tell a bystander what a message is about; none may stand in a subject or sender."""


def _neutral(text: str) -> str:
    if TELLING_WORDS.search(text):
        raise ValueError("holds a word that tells what the message is about")
    return text


Neutral = Annotated[str, Field(min_length=1, max_length=78), AfterValidator(_neutral)]


class Coordinator(Section):
    """The human who is told and who replies, also the Reply-To of every message; or one who is told after them."""

    name: str
    email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]
    phone: str


class CrisisLine(Section):
    """A line for immediate help, shown on every page with its own zone and hours."""

    name: str
    number: str
    zone: Zone
    hours: str
    url: str | None = None


class Resource(Section):
    """Further help that may be offered."""

    name: str
    text: str
    url: str | None = None


class Texts(Section):
    """What messages say where the programme words it itself."""

    subject: Neutral = "Touching base"
    sender: Neutral
    signature: str
    confidentiality: str = "This conversation is confidential to the extent provided by law."
