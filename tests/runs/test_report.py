"""Snakemake's report of a built review: what it holds, and that it needs no network."""

from __future__ import annotations

import html
import json
import re
from html.parser import HTMLParser

import pytest

from runs.harness import NOTHING, ROOT, Workspace, workspace

pytestmark = pytest.mark.long

BCG = ROOT / "reviews/bcg"
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def space(tmp_path_factory) -> Workspace:
    """A built review with its report, made where no network can be reached."""
    made = workspace(tmp_path_factory.mktemp("report"), BCG)
    made.run()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            patch.setenv(name, NOWHERE)
        made.run("--report", "results/report.html")
    return made


@pytest.fixture(scope="module")
def page(space) -> str:
    return (space.review / "results/report.html").read_text(encoding="utf-8")


def held(page: str, name: str) -> dict:
    """One of the objects that the page is made from."""
    script = name.replace("_", "-")
    start = re.search(rf'<script id="{script}">\s*var {name} = ', page).end()
    return json.JSONDecoder().raw_decode(page, start)[0]


def text_of(caption: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", caption))


def test_figures_are_shown_as_svg_with_category_and_labels(space, page):
    results, categories = held(page, "results"), held(page, "categories")
    figures = {row["figure"]: row for row in space.table("resources/figures.csv")}
    for figure in figures:
        shown = results[f"results/figures/{figure}.svg"]
        assert shown["mime_type"] == "image/svg+xml"
        assert shown["labels"]["Figure"].strip() == figure
        assert shown["labels"]["Outcome"].startswith("Tuberculosis")
    listed = categories["Figures of the main text"]
    assert {kind: len(paths) for kind, paths in listed.items()} == {
        "Forest plots": 4,
        "Forest plots of subgroups": 1,
        "Funnel plots": 1,
    }
    assert not [path for path in results if path.endswith((".pdf", ".png"))]


def test_captions_state_what_was_done_and_what_was_declared(space, page):
    results = held(page, "results")
    legends = space.table("results/legends.csv")
    assert len(legends) == 6
    for legend in legends:
        caption = text_of(results[f"results/figures/{legend['figure']}.svg"]["caption"])
        words = " ".join(caption.split())
        assert f"Figure {legend['figure']}. {legend['title']}. {legend['text']}" in words
        assert "Declared in config.yaml" in words
    assert "model: mantel_haenszel; tau2: DL" in results["results/figures/3.svg"]["caption"]


def test_every_item_has_a_caption_and_labels(page):
    for path, result in held(page, "results").items():
        assert text_of(result["caption"]).strip() and result["labels"], path
        assert "system-message" not in result["caption"], path


def test_tables_and_audit_are_in_it(page):
    categories = held(page, "categories")
    (audit,) = categories["Audit"].values()
    assert set(audit) == {"results/audit.csv", "results/consistency.csv"}
    tables = categories["Tables"]["Results as data"]
    assert {"results/estimates.csv", "results/subgroups.csv", "results/bias.csv"} <= set(tables)


def test_the_first_page_names_the_review(page):
    described = text_of(held(page, "workflow_desc"))
    assert "BCG vaccination against tuberculosis" in described
    assert "3 outcomes in 3 variants" in described


class Requests(HTMLParser):
    """The addresses that a browser fetches to show a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {"src", "srcset", "data", "poster"} | ({"href"} if tag == "link" else set())
        self.found += [value or "" for name, value in attrs if name in named]


def test_the_page_fetches_nothing(page):
    requests = Requests()
    requests.feed(page)
    shown = [result["data_uri"] for result in held(page, "results").values()]
    assert shown and all(uri.startswith("data:") for uri in shown)
    assert [uri for uri in requests.found if not uri.startswith("data:")] == []


def test_a_report_makes_nothing_stale(space):
    assert NOTHING in space.dry_run().text
