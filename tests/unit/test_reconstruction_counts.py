"""What a published result determines of the rows that it pools."""

from dataclasses import replace

import pytest
from reconstruction_examples import MIXED, RATIOS, RAW, blanked, bundled_pool, pool, printed_of

from forestry.reconstruction.counts import Settings, solve
from forestry.reconstruction.enumeration import Limits
from forestry.reconstruction.search import Effort
from forestry.reconstruction.sharing import solve_sheet
from forestry.reconstruction.space import CountRow as Row
from forestry.reconstruction.ways import ways

SHORT = Settings(effort=Effort(restarts=2, steps=6, gatherings=4, combinations=2e4))


def counts(solved):
    return {row.study_id: (row.events, row.total) for row in solved.rows}


def test_thrombosis_has_one_split():
    rows = [Row("lim", None, 20), Row("danieli", None, 8), Row("foreman", None, 39)]
    found = solve(bundled_pool("vte", *rows, Row("galimberti", None, 42)))
    assert (found.verdict, found.solutions, found.exhaustive) == ("unique", 1, True)
    expected = {"lim": (1, 20), "danieli": (1, 8), "galimberti": (1, 42), "foreman": (2, 39)}
    assert counts(found) == expected
    assert found.contradicted == ("n",)  # 101 is printed, the interval is that of 109
    assert found.distance == 0 and found.unmet == ("n",)
    assert all(cell.fixed for cell in (*found.cells, *found.sums))
    assert [cell.value for cell in found.sums] == [5, 109]


def test_thrombosis_tells_the_size_of_a_study_too():
    rows = [Row("lim", 1, 20), Row("danieli", None, 8), Row("galimberti", None, 42)]
    found = solve(bundled_pool("vte", *rows, Row("foreman", None, None, most=60)))
    assert found.verdict == "unique"
    assert counts(found)["foreman"] == (2, 39)


def test_the_trials_risk_ratio_has_one_solution():
    rows = [Row("prodern", 37, 47, 21, 48), Row("miyasaka", None, 12, None, 14)]
    found = solve(bundled_pool("muscle_pr_vs_control", *rows, variant="rct_only"))
    assert (found.verdict, found.solutions, found.distance) == ("unique", 1, 0)
    (row,) = found.rows
    assert (row.events, row.total, row.control_events, row.control_total) == (11, 12, 8, 14)


def test_dysphagia_determines_the_sum_and_not_the_rows():
    rows = [Row("marie", None, 73), Row("g17", None, 11), Row("g20", None, 18)]
    found = solve(bundled_pool("dysphagia_pr_6mo", *rows))
    assert (found.verdict, found.solutions, found.exhaustive) == ("several", 5, True)
    assert [(cell.column, cell.value, cell.fixed) for cell in found.sums] == [
        ("events", 94, True),
        ("total", 102, True),
    ]
    assert not any(cell.fixed for cell in found.cells)
    assert {cell.study_id: (cell.low, cell.high) for cell in found.cells}["marie"] == (65, 73)
    assert found.criterion


def test_the_subcutaneous_pool_gives_the_size_of_its_last_study():
    rows = [Row("d11", 7, 7), Row("d14", 7, 8), Row("h17", 12, 12), Row("s16", 5, 5)]
    found = solve(bundled_pool("muscle_pr_sc", Row("d20", None, 31), *rows))
    assert (found.verdict, found.totals) == ("unique", "upper bound")
    assert counts(found) == {"d20": (26, 27)}
    # p = 1.0 needs all who did not respond in one study: some row that is given is another.
    assert found.contradicted == ("p",)
    assert {freed.study_id for freed in found.freed} == {"d11", "d14", "h17", "s16"}


def test_infection_is_seen_in_full():
    sizes = [19, 23, 6, 73, 8, 24, 27, 10, 5, 39, 42, 12, 18]
    rows = [Row(f"s{i}", None, n) for i, n in enumerate(sizes)]
    found = solve(bundled_pool("infection", *rows))
    assert found.space > 1e16 and found.exhaustive
    assert found.solutions > 1 and found.distance == 0 and not found.unmet


def test_without_a_solution_the_nearest_is_given_and_what_stands_in_the_way():
    cells = [[8, 19], [37, 47], [9, 12], [10, 14]]
    rows = [Row("s1", 18, 19), *blanked(cells, [2])[1:]]
    found = solve(pool(printed_of("proportion", MIXED, cells), MIXED, rows))
    assert (found.verdict, found.solutions, found.exhaustive) == ("none", 0, True)
    assert found.distance > 0 and found.unmet
    assert ("s1", "events", 1) in [(f.study_id, f.columns, f.solutions) for f in found.freed]
    assert "no counts within the bounds" in found.reason


def test_a_wrong_total_is_diagnosed():
    cells = [[3, 4], [14, 19], [10, 12], [8, 14]]
    rows = [Row("s1", 3, 8), *blanked(cells, [2])[1:]]
    found = solve(pool(printed_of("proportion", RAW, cells), RAW, rows))
    assert found.verdict == "none"
    assert "s1" in [freed.study_id for freed in found.freed if freed.columns == "events total"]


def test_a_printed_n_that_a_single_study_exceeds_is_set_aside():
    cells = [[30, 40], [5, 9], [7, 12]]
    printed = replace(printed_of("proportion", RAW, cells), n="35")
    found = solve(pool(printed, RAW, blanked(cells, [0])))
    assert found.verdict == "unique" and found.contradicted == ("n",)
    assert counts(found) == {"s1": (30, 40)}
    (n,) = (statistic for statistic in found.statistics if statistic.name == "n")
    assert (n.printed, n.computed, n.met, n.contradicted) == ("35", 61, False, True)


def test_where_all_is_known_there_is_nothing_to_solve():
    cells = [[3, 9], [5, 8]]
    found = solve(pool(printed_of("proportion", MIXED, cells), MIXED, blanked(cells, [])))
    assert (found.verdict, found.solutions, found.rows) == ("nothing unknown", 1, ())
    assert all(statistic.met for statistic in found.statistics)


def test_a_single_row_and_an_unknown_estimate_are_not_solvable():
    cells = [[3, 9], [5, 8]]
    printed = printed_of("proportion", MIXED, cells)
    one = solve(pool(printed, MIXED, blanked(cells, [0])[:1]))
    assert (one.verdict, one.solutions) == ("not solvable", 0) and "two rows" in one.reason
    bare = solve(pool(replace(printed, estimate=""), MIXED, blanked(cells, [0])))
    assert bare.verdict == "not solvable" and "no estimate" in bare.reason


def test_a_total_without_any_bound_is_assumed_and_said():
    cells = [[3, 9], [5, 8], [6, 11]]
    printed = printed_of("proportion", RAW, cells, n=False)
    rows = [*blanked(cells, [])[:2], Row("s3", None, None)]
    found = solve(pool(printed, RAW, rows))
    assert "no size is known of s3: at most 9 was assumed" in found.reason


@pytest.mark.parametrize("way", [MIXED, RAW])
def test_a_space_too_large_is_searched_and_gives_a_lower_bound(way):
    cells = [[3, 9], [5, 8], [6, 11], [12, 17], [2, 9], [9, 13]]
    solved = pool(printed_of("proportion", way, cells, 0), way, blanked(cells, range(1, 6)))
    every = solve(solved)
    assert every.exhaustive
    searching = replace(SHORT, limits=Limits(half=3))
    some = solve(solved, searching)
    assert (some.verdict, some.exhaustive) == ("several", False)
    assert 1 <= some.solutions <= every.solutions and some.distance == 0
    assert not any(cell.fixed for cell in some.cells)
    assert solve(solved, searching) == some
    for narrow, wide in zip(some.cells, every.cells, strict=True):
        assert wide.low <= narrow.low <= narrow.high <= wide.high


def test_two_arms_are_searched_too():
    cells = [[7, 9, 4, 8], [5, 8, 3, 9], [6, 7, 5, 7]]
    solved = pool(printed_of("risk_ratio", RATIOS, cells, 1), RATIOS, blanked(cells, [0, 1]))
    found = solve(solved, replace(SHORT, limits=Limits(half=3)))
    assert found.verdict == "several" and not found.exhaustive and found.distance == 0


def test_totals_of_two_arms_that_are_too_many_to_list_are_held():
    """Up to 300 patients an arm: 90,000 ways with the sheet's totals, 2e9 below them."""
    cells = [[30, 300, 40, 300], [5, 80, 9, 90], [60, 700, 50, 700]]
    tried = ways(pool(printed_of("risk_ratio", RATIOS, cells), RATIOS, blanked(cells, [0])))
    assert {way.totals for way in tried} == {"fixed"}
    larger = [[300, 900, 400, 900], *cells[1:]]
    found = solve(pool(printed_of("risk_ratio", RATIOS, larger), RATIOS, blanked(larger, [0])))
    assert found.verdict == "not solvable" and "811,801 ways" in found.reason


def test_the_most_regular_of_several_is_chosen():
    """Of two rows of 10 with 12 events between them, 6 and 6 are likelier than 3 and 9."""
    cells = [[6, 10], [6, 10], [12, 20]]
    printed = replace(printed_of("proportion", MIXED, cells, 0), i2="", p_heterogeneity="")
    solved = solve(pool(printed, {**MIXED, "select": "common"}, blanked(cells, [0, 1])))
    assert solved.verdict == "several"
    assert counts(solved) == {"s1": (6, 10), "s2": (6, 10)}


def test_results_of_one_sheet_are_solved_together():
    cells = [[3, 9], [5, 8], [12, 17], [2, 9]]
    rows = blanked(cells, [1, 3])
    few = pool(replace(printed_of("proportion", RAW, cells[:3]), outcome="few"), RAW, rows[:3])
    whole = pool(printed_of("proportion", MIXED, cells), MIXED, rows)
    solved = solve_sheet([whole, few])
    assert [found.outcome for found in solved.results] == ["outcome", "few"]
    assert solved.results[0].held == ("s2",) and solved.results[1].held == ()
    assert solved.results[1].verdict == "unique"
    row, origin = solved.rows["s2"]
    assert (row.events, row.total, origin) == (5, 8, ("few", "main"))
    row, origin = solved.rows["s4"]
    assert (row.events, row.total, origin) == (2, 9, ("outcome", "main"))


def test_rows_of_a_result_without_solution_are_left_to_the_others():
    cells = [[3, 9], [5, 8], [12, 17]]
    rows = blanked(cells, [1])
    wrong = replace(printed_of("proportion", RAW, [[9, 9], [8, 8]]), outcome="wrong")
    solved = solve_sheet(
        [pool(wrong, RAW, rows[:2]), pool(printed_of("proportion", MIXED, cells), MIXED, rows)]
    )
    assert [found.verdict for found in solved.results] == ["none", "unique"]
    assert solved.rows["s2"][1] == ("outcome", "main")
