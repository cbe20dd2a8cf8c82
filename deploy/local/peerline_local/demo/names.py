"""
Invented names, addresses, numbers and phrases that occur nowhere else.

They are canaries: a search for any of them in a log, a header or a metric finds a leak and nothing else.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

_GIVEN = (
    *("Aurivelle", "Brontisse", "Calvidor", "Drusenka", "Elsimara", "Fjorindra", "Gwendaleo"),
    *("Halvetti", "Ismirande", "Jorquessa", "Kestrelis", "Lorimund", "Mirabetto", "Noviandre"),
    *("Ottoliska", "Perigwyn", "Quorinda", "Rosvetlan", "Sindoriel", "Thessamar"),
)
_FIRST = (
    *("Ambro", "Brindle", "Cordwy", "Dunvar", "Elsper", "Fenwor", "Grimsa"),
    *("Hollis", "Ivarne", "Jessul", "Kranno", "Lothwi", "Merrid", "Norvek"),
)
_LAST = (
    *("quaithe", "bryxford", "thwistle", "zandeer", "vorpley"),
    *("mungrave", "xanthby", "krelloway", "pfenstaff", "jubberly"),
)

# Numbers from the range that is kept free for stories; two area codes, since one has a hundred of them.
_AREAS = ("207", "416")

PHRASES = (
    "retained gauze beneath the left hemidiaphragm",
    "tenfold heparin bolus before the second carotid clamp",
    "oxytocin ran through the epidural line for nine minutes",
    "wrong-level laminectomy noticed at skin closure",
    "unrecognised oesophageal intubation on the transfer trolley",
    "potassium pushed undiluted during the night handover",
    "air embolus while flushing the dialysis catheter",
    "guidewire lost into the inferior vena cava",
    "shoulder dystocia with a brachial plexus tear",
    "vincristine syringe carried into the intrathecal tray",
    "pneumothorax missed on the portable film",
    "tourniquet left inflated through recovery",
)
"""What narratives in the samples say; nothing of it may be stored, logged or sent on."""


@dataclass(frozen=True)
class Name:
    """A person's name, and the e-mail address and phone number made to go with it."""

    given: str
    family: str
    email: str
    phone: str

    @property
    def full(self) -> str:
        """Given name and family name."""
        return f"{self.given} {self.family}"

    def traces(self) -> Iterator[str]:
        """Every text by which a leak of this person would show."""
        digits = "".join(filter(str.isdigit, self.phone))
        yield from (self.given, self.family, self.email, self.phone, digits, digits[1:])


def invent(rng: random.Random) -> Iterator[Name]:
    """Names in a seeded order, no family name and no number twice; at most 140, then it ends."""
    families = [first + last for first, last in itertools.product(_FIRST, _LAST)]
    phones = [f"+1 {area} 555 01{number:02}" for area in _AREAS for number in range(100)]
    rng.shuffle(families)
    rng.shuffle(phones)
    for family, phone in zip(families, phones, strict=False):
        given = rng.choice(_GIVEN)
        yield Name(given, family, f"{given}.{family}@staff.example".lower(), phone)
