"""The plots of an outcome, drawn from its tables: a function a kind.

Each imports what it draws with when it draws: imports take longer than a plot.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from forestry.records import read_records
from forestry.results import Estimate, InfluenceRow, StudyEffect, SubgroupTest, Weight

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Tables = Mapping[str, str]


def draw(kind: str, settings: Mapping, tables: Tables) -> Figure:
    """A plot of a kind. `tables` are paths, by what they hold: effects, estimates, weights,
    and where the kind needs them influence and the four of the subgroups.

    `settings` are those of `forestry.jobs.drawings`. Raises KeyError for an unknown kind.
    """
    return KINDS[kind](settings, tables)


def _forest(settings: Mapping, tables: Tables) -> Figure:
    from forestry.figures.forest import draw_forest
    from forestry.figures.forest_layout import forest_layout
    from forestry.figures.settings import ForestSettings

    layout = forest_layout(
        read_records(tables["effects"], StudyEffect),
        read_records(tables["estimates"], Estimate),
        read_records(tables["weights"], Weight),
        ForestSettings.from_mapping(settings),
    )
    return draw_forest(layout)


def _subgroup_forest(settings: Mapping, tables: Tables) -> Figure:
    from forestry.figures.forest import draw_forest
    from forestry.figures.forest_layout import forest_layout
    from forestry.figures.settings import ForestSettings
    from forestry.subgroup_steps import differences, in_step

    shown = ForestSettings.from_mapping(settings)
    effects = read_records(tables["subgroup_effects"], StudyEffect)
    weights = read_records(tables["subgroup_weights"], Weight)
    layout = forest_layout(
        in_step(effects, weights, shown.outcome, shown.variant),
        read_records(tables["subgroup_estimates"], Estimate),
        weights,
        shown,
        differences(read_records(tables["subgroup_tests"], SubgroupTest), shown.variant),
    )
    return draw_forest(layout)


def _funnel(settings: Mapping, tables: Tables) -> Figure:
    from forestry.figures.funnel import draw_funnel
    from forestry.figures.funnel_layout import FunnelSettings, funnel_layout

    effects = read_records(tables["effects"], StudyEffect)
    weights = read_records(tables["weights"], Weight)
    layout = funnel_layout(
        effects,
        read_records(tables["estimates"], Estimate),
        weights,
        FunnelSettings.from_mapping(settings["plot"]),
        _added(effects, weights, settings["filling"]),
    )
    return draw_funnel(layout)


def _added(effects: list[StudyEffect], weights: list[Weight], filling: Mapping):
    """The points that trim and fill adds to a funnel plot, where they are asked for."""
    if not filling["in_funnels"]:
        return None
    from forestry.diagnostics import points_to_add

    return points_to_add(effects, weights, filling)


def _influence(settings: Mapping, tables: Tables) -> Figure:
    from forestry.figures.influence_layout import InfluenceSettings, influence_layout
    from forestry.figures.influence_plot import draw_influence

    layout = influence_layout(
        read_records(tables["effects"], StudyEffect),
        read_records(tables["weights"], Weight),
        read_records(tables["influence"], InfluenceRow),
        InfluenceSettings.from_mapping(settings),
    )
    return draw_influence(layout)


def _baujat(settings: Mapping, tables: Tables) -> Figure:
    from forestry.figures.baujat import draw_baujat
    from forestry.figures.baujat_layout import BaujatSettings, baujat_layout

    layout = baujat_layout(
        read_records(tables["effects"], StudyEffect),
        read_records(tables["weights"], Weight),
        BaujatSettings.from_mapping(settings),
    )
    return draw_baujat(layout)


def _bubble(settings: Mapping, tables: Tables) -> Figure:
    from forestry.figures.bubble import draw_bubble
    from forestry.figures.bubble_layout import BubbleSettings, bubble_layout
    from forestry.moderators import fit_model

    effects = read_records(tables["effects"], StudyEffect)
    weights = read_records(tables["weights"], Weight)
    shown = BubbleSettings.from_mapping(settings["figure"])
    model = fit_model(settings["model"], effects, weights, settings["regression"])
    values = model.values[shown.moderator]
    return draw_bubble(bubble_layout(effects, weights, values, model.fit, shown, model.why_not))


KINDS = {
    "forest": _forest,
    "subgroup_forest": _subgroup_forest,
    "funnel": _funnel,
    "influence": _influence,
    "baujat": _baujat,
    "bubble": _bubble,
}
