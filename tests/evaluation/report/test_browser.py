"""The report in a real browser."""

import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error, sync_playwright

from ner11.evaluation.report.page import write_report
from tests.evaluation.report.data import ERRORS, LEDGER, LOG, STATISTICS, make_gate, make_metrics, make_summary

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
FIRST_SCREEN = {"width": 1280, "height": 900}
OPEN_ALL = "document.querySelectorAll('details').forEach(one => one.open = true)"
GATES = [make_gate() for _ in range(12)]
REFUSED = {
    "verdict": {"may_ship": False, "reasons": ["F1 of TOOL is 81.8"]},
    "gates": [make_gate(passed=False, status="failed"), *GATES[1:]],
    "sources": {"gold": make_summary(), "other": make_summary()},
    "comparison": None,
    "baseline": {"status": "missing", "note": "no packages/en_toy_with_a_long_name-0.9.0.predictions.jsonl"},
}

pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=BROWSER, args=ARGUMENTS)
        except Error as e:
            pytest.skip(f"Chromium does not start: {e}")
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """The addresses of a report that lets a model ship and of one that does not."""
    addresses = {}
    for name, changes in {"ships": {"gates": GATES}, "refused": REFUSED}.items():
        folder = tmp_path_factory.mktemp(name)
        write_report(folder, metrics=make_metrics(**changes), ledger=LEDGER, statistics=STATISTICS, errors=ERRORS, log=LOG)
        addresses[name] = (folder / "index.html").as_uri()
    return addresses


@pytest.fixture
def open_report(browser, reports):
    """Opens a report; what the browser complains about or asks for is in `said`."""
    contexts = []

    def open_report(name="ships", *, viewport=FIRST_SCREEN, **options):
        contexts.append(browser.new_context(viewport=viewport, **options))
        contexts[-1].set_default_timeout(5000)
        page = contexts[-1].new_page()
        page.said = []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("request", lambda request: page.said.append(request.url))
        page.goto(reports[name])
        return page

    yield open_report
    for context in contexts:
        context.close()


def column(page, number):
    return page.locator(f"#label-table tbody tr:not([hidden]) > :nth-child({number})").all_inner_texts()


def test_it_opens_without_errors_and_asks_for_nothing_else(open_report, reports):
    assert open_report().said == [reports["ships"]]


@pytest.mark.parametrize(("name", "headline"), [("ships", "May ship: all 12 gates"), ("refused", "Must not ship: 1 of 12 gates")])
def test_verdict_figures_and_gates_are_on_the_first_screen(open_report, name, headline):
    page = open_report(name)
    assert page.get_by_role("heading", name=headline).is_visible()
    assert page.locator("#gates + .scroll tbody tr").count() == 12
    assert page.locator("#gates + .scroll").bounding_box()["y"] + page.locator("#gates + .scroll").bounding_box()["height"] < 900


def test_labels_are_sorted_by_keyboard_and_sets_of_them_stay_below(open_report):
    page = open_report()
    head = page.locator("#label-table th", has=page.get_by_role("button", name="support"))
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert (head.get_attribute("aria-sort"), column(page, 8)) == ("descending", ["40", "10", "6", "4", "1"])
    page.keyboard.press("Space")
    assert (head.get_attribute("aria-sort"), column(page, 8)) == ("ascending", ["4", "6", "10", "40", "1"])
    assert page.locator("#label-table th[aria-sort]").count() == 1


def test_labels_without_a_value_stay_last(open_report):
    page = open_report()
    for expected in (["100.0", "80.0", "75.0", "–", "–"], ["75.0", "80.0", "100.0", "–", "–"]):
        page.locator("#label-table thead th:nth-child(3) button").press("Enter")
        assert column(page, 3) == expected


def test_labels_are_filtered_by_name_and_support(open_report):
    page = open_report()
    found = page.locator("form.filter output").first
    page.get_by_label("Label or tier contains").press_sequentially("context")
    assert (column(page, 1), found.inner_text()) == (["DATE", "PLACE"], "2 of 5 labels")
    page.get_by_label("Support at least").press_sequentially("40")
    assert (column(page, 1), found.inner_text()) == (["PLACE"], "1 of 5 labels")
    page.get_by_label("Label or tier contains").clear()
    page.get_by_label("Support at least").clear()
    assert found.inner_text() == "5 of 5 labels" and found.get_attribute("aria-live") == "polite"


def test_examples_are_filtered_by_kind(open_report):
    page = open_report()
    page.locator("form.filter select").select_option("type")
    assert [text.split() for text in page.locator("#examples > details:visible summary").all_inner_texts()] == [
        ["type", "PLACE", "found", "as", "TOOL", "3", "times"]
    ]


def test_without_scripts_everything_is_there(open_report):
    page = open_report(java_script_enabled=False)
    assert page.locator("#label-table tbody tr").count() == 5
    assert not page.locator("form.filter").first.is_visible() and page.locator("#label-table button").count() == 0


@pytest.mark.parametrize("name", ["ships", "refused"])
@pytest.mark.parametrize("width", [400, 700, 1280, 1600])
def test_only_tables_scroll_sideways(open_report, name, width):
    page = open_report(name, viewport={"width": width, "height": 800})
    page.evaluate(OPEN_ALL)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_table_that_scrolls_can_be_reached_by_keyboard(open_report):
    assert (
        open_report(viewport={"width": 400, "height": 800}).locator("[aria-label='Table of gates']").get_attribute("tabindex")
        == "0"
    )
    assert open_report().locator("[aria-label='Table of gates']").get_attribute("tabindex") is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["ships", "refused"])
def test_it_is_accessible(open_report, name, scheme):
    page = open_report(name, color_scheme=scheme)
    page.evaluate(OPEN_ALL)
    assert [(one["id"], one["nodes"][0]["html"]) for one in Axe().run(page).response["violations"]] == []


def test_dark_and_light_differ(open_report):
    background = "getComputedStyle(document.body).backgroundColor"
    assert open_report(color_scheme="dark").evaluate(background) != open_report(color_scheme="light").evaluate(background)


def test_it_prints(open_report):
    assert open_report().pdf(format="A4").startswith(b"%PDF")
