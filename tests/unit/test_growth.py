"""What holds all outcomes looks through the results as often, however many outcomes there are."""

from dataclasses import replace

import pytest

from forestry.records import by_outcome
from forestry.results import BiasRecord, Estimate
from forestry.tables.bias import bias_table
from forestry.tables.outcomes import Outcome
from forestry.tables.pooled import pooled_table
from forestry.tables.sensitivity import sensitivity_table

ONE = Estimate(
    **(dict.fromkeys(Estimate.__annotations__) | {"outcome": "", "variant": "main", "group": ""}),
)
ONE = replace(ONE, measure="proportion", k=5, n=100, k_derived=0, k_reconstructed=0, model="random")
ONE = replace(ONE, estimate=0.5, ci_low=0.4, ci_high=0.6, i2=0.0, selected=True, prediction="")
TEST = BiasRecord(
    **(dict.fromkeys(BiasRecord.__annotations__) | {"variant": "main", "test": "egger", "k": 5}),
)
TEST = replace(TEST, note="fewer than 10 studies", fewer_than_10=True)


class Counted(list):
    """A list that counts how often it is gone through."""

    times = 0

    def __iter__(self):
        self.times += 1
        return super().__iter__()


def passes(make, row, number):
    """How often `make` goes through the rows of so many outcomes."""
    outcomes = [Outcome(f"o{i}", f"Outcome {i}") for i in range(number)]
    rows = Counted(replace(row, outcome=outcome.id) for outcome in outcomes)
    assert len(make(outcomes, rows).rows) >= number
    return rows.times


def pooled(outcomes, rows):
    return pooled_table(outcomes, rows, {one.id: [] for one in outcomes}, id="2", title="")


def sensitivity(outcomes, rows):
    return sensitivity_table(outcomes, {"main": "Main"}, rows, (), id="S3", title="")


def bias(outcomes, rows):
    return bias_table(rows, outcomes, {"main": "Main"}, id="S4", title="")


@pytest.mark.parametrize(("make", "row"), [(pooled, ONE), (sensitivity, ONE), (bias, TEST)])
def test_a_table_goes_through_its_rows_as_often_for_many_outcomes(make, row):
    assert passes(make, row, 30) == passes(make, row, 3)


def test_rows_of_each_outcome_keep_their_order():
    rows = [replace(ONE, outcome=id, k=k) for k, id in enumerate("abcab")]
    found = by_outcome(rows)
    assert {id: [row.k for row in own] for id, own in found.items()} == {
        "a": [0, 3],
        "b": [1, 4],
        "c": [2],
    }
