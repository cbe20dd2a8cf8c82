"""How the severity codes of incident systems become one number, 0 (no harm possible) to 5 (death).

Harm scales agree only moderately with one another, so a number here serves a programme's threshold and
nothing else. A code that a scale does not know gives None, which means that a person decides.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType


class Scale(StrEnum):
    """The severity scale that a source declares."""

    NCC_MERP = "ncc-merp"
    AHRQ = "ahrq"
    SAC_4 = "sac-4"
    FHIR_R4 = "fhir-r4"
    FHIR_R5 = "fhir-r5"
    PEERLINE = "peerline"
    LOCAL = "local"


LOWEST, HIGHEST = 0, 5

_NCC_MERP = {"a": 0, "b": 0, "c": 1, "d": 1, "e": 2, "f": 3, "g": 4, "h": 4, "i": 5}

# "unknown" is absent on purpose: it is a statement that a person has to judge.
_AHRQ = {
    "no harm": 1,
    "mild harm": 2,
    "mild": 2,
    "moderate harm": 3,
    "moderate": 3,
    "severe harm": 4,
    "severe": 4,
    "death": 5,
}

# In the four-code matrix 1 is the gravest. It holds deaths and lasting harm alike, so it is read as the
# worst.
_SAC_4 = {"1": 5, "2": 3, "3": 2, "4": 1}

_FHIR_R5 = {"non-serious": 1, "serious": 3}

_FHIR_R4 = {
    **_FHIR_R5,
    "seriousresultsindeath": 5,
    "seriousislifethreatening": 4,
    "seriousresultsindisability": 4,
    "seriousisbirthdefect": 4,
    "seriousresultsinhospitalization": 3,
    "seriousrequirespreventimpairment": 3,
    "mild": 2,
    "moderate": 3,
    "severe": 4,
}

_TABLES: Mapping[Scale, Mapping[str, int]] = MappingProxyType(
    {
        Scale.NCC_MERP: _NCC_MERP,
        Scale.AHRQ: _AHRQ,
        Scale.SAC_4: _SAC_4,
        Scale.FHIR_R4: _FHIR_R4,
        Scale.FHIR_R5: _FHIR_R5,
        Scale.PEERLINE: {str(grade): grade for grade in range(LOWEST, HIGHEST + 1)},
        Scale.LOCAL: {},
    }
)


def normalise(codes: Iterable[str], scale: Scale, own_codes: Mapping[str, int]) -> int | None:
    """Return the gravest of these codes as 0-5, or None when the scale knows none of them.

    `own_codes` is a site's own table and goes before the scale. Letter case and space around a code do not
    matter: senders of one FHIR release use the spelling of another.
    """
    table = {**_TABLES[scale]} | {code.strip().casefold(): grade for code, grade in own_codes.items()}
    known = (table.get(code.strip().casefold()) for code in codes)
    return max((grade for grade in known if grade is not None), default=None)
