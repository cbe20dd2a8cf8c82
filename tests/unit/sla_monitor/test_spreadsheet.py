"""A table that is opened in a spreadsheet holds text and numbers, and nothing that runs."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sla_monitor.domain.spreadsheet import as_csv

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=1", "\n=1", '=HYPERLINK("http://example.org")', "=")


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("formula", FORMULAS)
def test_what_looks_like_a_formula_is_text_in_rows_and_in_the_head(formula: str) -> None:
    table = read(as_csv([formula], [[formula]]))

    assert table == [[f"'{formula}"], [f"'{formula}"]]


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_no_cell_begins_as_a_formula_does_and_nothing_else_is_changed(cells: list[str]) -> None:
    (row,) = read(as_csv([], [cells]))[1:]

    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for cell in row)
    assert [cell.removeprefix("'") for cell in row] == [cell.removeprefix("'") for cell in cells]


def test_numbers_stay_numbers_and_nothing_is_an_empty_cell() -> None:
    assert as_csv(["a", "b", "c"], [[-3, 0, None]]) == "a,b,c\r\n-3,0,\r\n"
