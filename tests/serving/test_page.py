"""The page in a real browser, on a real server in a thread."""

import asyncio
import shutil
import socket
import threading
import time

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error, expect, sync_playwright

from tests.evaluation.report.test_browser import ARGUMENTS

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")

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


@pytest.fixture
def address(make_app):
    """Starts a server, and gives its address."""
    running = []

    def start(**settings):
        app = make_app(**settings)
        taken = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[taken])))
        thread.start()
        running.append((server, thread))
        while not app.state.services.served.is_ready:
            time.sleep(0.01)
        return f"http://127.0.0.1:{taken.getsockname()[1]}/"

    yield start
    for server, thread in running:
        server.should_exit = True
        thread.join()


@pytest.fixture
def open_page(browser, address):
    """Opens the page; what the browser complains about is in `said`, what it asks for in `asked`."""
    contexts = []

    def open_page(*, options=None, **settings):
        contexts.append(browser.new_context(**options or {}))
        contexts[-1].set_default_timeout(5000)
        page = contexts[-1].new_page()
        page.said, page.asked, url = [], [], address(**settings)
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url.removeprefix(url)))
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()


def ask(page, text):
    page.get_by_label("Text", exact=True).fill(text)
    page.get_by_role("button", name="Find entities").click()


def marks(page):
    return page.locator("#result mark").all_inner_texts()


def test_entities_are_shown_in_their_text_with_label_and_confidence(open_page):
    page = open_page()
    ask(page, "🙂 <b>Turla</b> wrote Kazuar & more")
    page.locator("mark").first.wait_for()
    assert marks(page) == ["🙂MOOD 0.99", "TurlaACTOR 0.90", "KazuarMALWARE 0.60"]
    assert page.locator("#result").inner_text() == "🙂MOOD 0.99 <b>TurlaACTOR 0.90</b> wrote KazuarMALWARE 0.60 & more"
    assert page.get_by_text("3 of 3 entities shown, found by en_toy-1.0.0").is_visible()
    assert (page.said, page.asked) == ([], ["", "v1/model", "v1/extract", "v1/model"])


def test_the_slider_leaves_out_what_is_less_sure_by_keyboard(open_page):
    page = open_page()
    ask(page, "Turla wrote Kazuar")
    page.locator("mark").first.wait_for()
    page.get_by_label("Least confidence").focus()
    for _ in range(61):
        page.keyboard.press("ArrowRight")
    assert (marks(page), page.locator("output").inner_text()) == (["TurlaACTOR 0.90"], "0.61")
    assert page.locator("#rows tbody tr").count() == 1 and "v1/extract" in page.asked[-2]


def test_it_is_used_by_keyboard_alone(open_page):
    page = open_page()
    page.keyboard.press("Control+A")
    page.keyboard.type("Turla")
    page.keyboard.press("Control+Enter")
    page.locator("mark").first.wait_for()
    page.get_by_text("Versions of the model").focus()
    page.keyboard.press("Enter")
    assert page.get_by_role("cell", name="en_toy-1.0.0").is_visible()


def test_without_the_token_it_asks_for_it(open_page):
    page = open_page(token="sesame")
    expect(page.get_by_role("alert")).to_contain_text("A token is needed")
    page.get_by_label("Token").fill("sesame")
    page.keyboard.press("Enter")
    expect(page.locator("#model")).to_contain_text("en_toy-1.0.0, 3 labels (onnx)")
    assert not page.get_by_label("Token").is_visible() and page.get_by_role("alert").inner_text() == ""
    ask(page, "Turla")
    page.locator("mark").first.wait_for()


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (413, {}, "The text is too long for this server. because"),
        (429, {"Retry-After": "7"}, "The server is busy. because Try again in 7 s."),
        (503, {}, "The model is not ready. because"),
        (500, {}, "The server answers 500. because"),
    ],
)
def test_problems_are_told(open_page, status, headers, said):
    page = open_page()
    page.route("**/v1/extract", lambda route: route.fulfill(status=status, headers=headers, json={"detail": "because"}))
    ask(page, "Turla")
    expect(page.get_by_role("alert")).to_have_text(said)
    page.unroute("**/v1/extract")
    page.route("**/v1/extract", lambda route: route.abort())
    ask(page, "Turla")
    expect(page.get_by_role("alert")).to_have_text("The server cannot be reached.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_is_accessible_and_fits(open_page, scheme, width):
    page = open_page(options={"color_scheme": scheme, "viewport": {"width": width, "height": 800}})
    ask(page, "Turla wrote Kazuar 🙂 " + "x" * 300)
    page.locator("mark").first.wait_for()
    page.evaluate(
        "document.querySelectorAll('details').forEach(one => one.open = true); document.getElementById('login').hidden = false"
    )
    assert [(one["id"], one["nodes"][0]["html"]) for one in Axe().run(page).response["violations"]] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
