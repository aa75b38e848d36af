"""docs/agreement.md says what the reference suite says."""

import re

from agreement_page import PAGE, TOLERANCES, agreement, cases, page

README = PAGE.parents[1] / "README.md"


def written() -> str:
    return PAGE.read_text(encoding="utf-8")


def without_bounds(text: str) -> str:
    """The page without the bounds above what was seen, which rounding may move."""
    return re.sub(r"\de-\d+ \|$", "", text, flags=re.MULTILINE)


def test_the_page_is_the_one_that_the_suite_makes():
    assert without_bounds(written()) == without_bounds(page())


def test_every_difference_is_within_the_bound_that_the_page_prints():
    for name, (_, _, kind, worst) in agreement().items():
        (row,) = re.findall(rf"^\| {re.escape(name)} \|.*\| (\S+) \|$", written(), re.MULTILINE)
        assert worst <= float(row) <= 1.001 * TOLERANCES[kind].limit, name


def test_the_page_counts_the_cases_and_is_linked():
    assert f"{cases():,} results of R" in written()
    assert cases() >= 4000
    assert "docs/agreement.md" in README.read_text(encoding="utf-8")
