"""Severity codes become one number, by the source's scale."""

from typing import Any

import pytest
from intake.domain.severity import Scale, normalise


@pytest.mark.parametrize(
    ("scale", "code", "grade"),
    [
        *[(Scale.NCC_MERP, code, grade) for code, grade in zip("ABCDEFGHI", (0, 0, 1, 1, 2, 3, 4, 4, 5), strict=True)],
        (Scale.AHRQ, "No harm", 1),
        (Scale.AHRQ, "Mild harm", 2),
        (Scale.AHRQ, "Moderate harm", 3),
        (Scale.AHRQ, "Severe harm", 4),
        (Scale.AHRQ, "Death", 5),
        (Scale.AHRQ, "Unknown", None),
        (Scale.SAC_4, "1", 5),
        (Scale.SAC_4, "4", 1),
        (Scale.FHIR_R4, "Non-serious", 1),
        (Scale.FHIR_R4, "serious", 3),
        (Scale.FHIR_R4, "SeriousResultsInDeath", 5),
        (Scale.FHIR_R4, "severe", 4),
        (Scale.FHIR_R5, "Serious", 3),
        (Scale.FHIR_R5, "severe", None),
        (Scale.PEERLINE, "5", 5),
        (Scale.PEERLINE, "6", None),
    ],
)
def test_a_scale_gives_its_grade(scale: Any, code: Any, grade: Any) -> None:
    assert normalise([code], scale, {}) == grade


def test_the_gravest_of_several_codes_counts() -> None:
    assert normalise(["Serious", "SeriousResultsInDeath", "mild"], Scale.FHIR_R4, {}) == 5


def test_a_sites_own_codes_go_before_the_scale() -> None:
    assert normalise(["2"], Scale.SAC_4, {"2": 4}) == 4
    assert normalise(["near miss"], Scale.LOCAL, {"Near miss": 0}) == 0
