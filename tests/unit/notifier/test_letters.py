"""What messages say, and what they must not."""

import re
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
from notifier.domain.facts import Message
from notifier.sends.letters import Sender, write
from peerline.programme import Programme, read_programmes
from peerline.texts import TELLING_WORDS

PROGRAMMES = list(read_programmes(Path(__file__).parents[3] / "deploy" / "programmes").values())
SENDER = Sender("hello@mail.example", "https://pages.example")
LINK = "https://pages.example/s/abc_DEF-123"
AT = datetime(2026, 6, 9, 14, 15, tzinfo=UTC)
WITHOUT_LINK = {Message.SUPPORTER_STOPPED}
LETTERS = [(message, programme) for message in Message for programme in PROGRAMMES]
NAMES = [f"{message} {programme.id}" for message, programme in LETTERS]


def letter(message: Message, programme: Programme, to: str = "someone@staff.example") -> EmailMessage:
    link = "" if message in WITHOUT_LINK else LINK
    written = write(message, programme, SENDER, to=to, link=link, message_id="1f", at=AT)
    parsed = message_from_bytes(written.content, policy=default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def text(mail: EmailMessage, kind: str = "plain") -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


@pytest.mark.parametrize(("message", "programme"), LETTERS, ids=NAMES)
def test_no_message_holds_a_word_that_tells_what_it_is_about(message: Message, programme: Programme) -> None:
    mail = letter(message, programme)
    outside = " ".join(str(mail[name]) for name in ("From", "To", "Subject", "Message-ID"))
    inside = text(mail).replace(LINK, "") + re.sub(r"<[^>]+>", "", text(mail, "html"))

    assert TELLING_WORDS.findall(outside + inside) == []


@pytest.mark.parametrize(("message", "programme"), LETTERS, ids=NAMES)
def test_every_message_can_be_checked_and_is_answered_by_a_human(message: Message, programme: Programme) -> None:
    mail = letter(message, programme)

    assert programme.coordinator.phone in text(mail)
    assert programme.coordinator.email in str(mail["Reply-To"])
    assert mail["Subject"] == programme.texts.subject
    assert mail["Message-ID"] == "<1f@mail.example>"


@pytest.mark.parametrize("message", list(Message))
def test_every_message_to_a_colleague_says_that_it_is_routine_and_voluntary(message: Message) -> None:
    said = text(letter(message, PROGRAMMES[0]))

    assert all(word in said for word in ("routine", "voluntary", "fault", "no file"))


@pytest.mark.parametrize("message", [message for message in Message if message not in WITHOUT_LINK])
def test_the_link_stands_whole_in_both_forms(message: Message) -> None:
    mail = letter(message, PROGRAMMES[0])

    assert f"\n{LINK}\n" in text(mail).replace("\r\n", "\n")
    assert f'href="{LINK}"' in text(mail, "html")


@pytest.mark.parametrize("address", ["", "nobody", "a@b@c", "a@b.example\r\nBcc: c@d.example", "a b@c.example"])
def test_an_address_that_cannot_be_one_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        letter(Message.SUPPORTER_ASKED, PROGRAMMES[0], to=address)


def test_a_physicians_message_quotes_what_the_programme_says_about_confidentiality() -> None:
    programme = PROGRAMMES[0]

    said = " ".join(text(letter(Message.PHYSICIAN_INVITED, programme)).split())

    assert " ".join(programme.texts.confidentiality.split()) in said
