"""The dashboard in use: draining, the token, the keyboard, a phone, five hundred backends."""

import re
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from proxy.spec.container import Decision
from tests.admin.builders import backend_spec
from tests.admin.conftest import TOKEN
from tests.admin.dashboard.stage import ELSEWHERE, Stage, staged
from tests.admin.reports import report

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONGEST_UPDATE = 50.0  # milliseconds: none of it may be felt
# Text whose contrast with what is behind it is less than 4.5, as WCAG 2.2 counts it (1.4.3).
FAINT = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const linear = (v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = (colour) => colour.slice(0, 3).map((v) => linear(v / 255))
    .reduce((total, v, place) => total + v * [.2126, .7152, .0722][place], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return parse(getComputedStyle(document.documentElement).backgroundColor);
  };
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility()) continue;
    const [one, other] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
    const contrast = (Math.max(one, other) + .05) / (Math.min(one, other) + .05);
    if (contrast < 4.5) faint.push([element.className, element.textContent, contrast]);
  }
  return faint;
}"""

# What can be used and has no name.
UNNAMED = """() => [...document.querySelectorAll("button, input")]
  .filter((element) => element.checkVisibility())
  .filter((element) => !(element.ariaLabel || element.labels?.length || element.textContent.trim()))
  .map((element) => element.outerHTML)"""


# changing


async def test_backend_is_drained_and_given_back_by_keyboard(stage: Stage) -> None:
    page = await stage.open()
    button = page.get_by_role("button", name="Drain web-1", exact=True)
    await button.focus()
    await page.keyboard.press("Enter")
    undrain = page.get_by_role("button", name="Undrain web-1", exact=True)
    await expect(undrain).to_be_focused()
    assert stage.scene.backend("web-1").drained
    await expect(page.locator("#notice")).to_have_text("web-1 takes no new requests.")
    await expect(page.locator("#timeline .change")).to_have_text(["available → drained by the operator"])
    await page.keyboard.press("Enter")
    await expect(button).to_be_focused()
    assert not stage.scene.backend("web-1").drained


async def test_from_elsewhere_a_change_asks_for_the_token_until_it_is_right(stage: Stage) -> None:
    page = await stage.open(ELSEWHERE)
    await page.get_by_role("button", name="Drain web-2", exact=True).click()
    await _give(page, "Changes need the admin token", "wrong")
    await _give(page, "That was not the admin token", TOKEN)
    await expect(page.get_by_role("button", name="Undrain web-2", exact=True)).to_be_visible()
    assert stage.scene.backend("web-2").drained
    assert await page.evaluate("[Object.values(sessionStorage), localStorage.length]") == [[TOKEN], 0]
    assert await page.context.cookies() == []
    await page.get_by_role("button", name="Undrain web-2", exact=True).click()  # not asked again
    await expect(page.get_by_role("button", name="Drain web-2", exact=True)).to_be_visible()
    await page.get_by_role("button", name="Forget the token").click()
    assert await page.evaluate("sessionStorage.length") == 0
    assert all("401" in complaint for complaint in stage.complaints)
    stage.complaints.clear()


async def test_dialog_left_by_escape_changes_nothing(stage: Stage) -> None:
    page = await stage.open(ELSEWHERE)
    await page.get_by_role("button", name="Drain web-1", exact=True).click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    assert not stage.scene.backend("web-1").drained
    stage.complaints.clear()


# reading


async def test_landmarks_headings_and_names_are_there_for_a_screen_reader(stage: Stage) -> None:
    page = await stage.open()
    for role in ("banner", "main", "contentinfo", "navigation"):
        await expect(page.get_by_role(role)).to_have_count(1)
    await expect(page.get_by_role("heading", level=2)).to_have_text([re.compile(n) for n in ("Serv", "Trans", "Cont")])
    await expect(page.get_by_role("heading", level=3)).to_have_text(["web"])
    await expect(page.get_by_role("img", name=re.compile("Requests per second to web"))).to_have_count(1)
    assert await page.locator("#announcer").get_attribute("aria-live") == "polite"
    assert await page.evaluate(UNNAMED) == []


async def test_first_tab_skips_to_the_services(stage: Stage) -> None:
    page = await stage.open()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the services")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name=re.compile("Services"))).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_all_text_stands_out_from_its_ground(browser: Browser, scheme: str) -> None:
    async with staged(browser, color_scheme=scheme) as stage:
        stage.scene.reports = [report("a", Decision.PROBLEM), report("b", Decision.IGNORED)]
        stage.scene.fleet.drain("web-1", stage.scene.now)
        page = await stage.open()
        await expect(page.locator("#container-rows tr")).to_have_count(2)
        assert await page.evaluate(FAINT) == []


async def test_phone_scrolls_in_one_direction_only(browser: Browser) -> None:
    async with staged(browser, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True) as stage:
        stage.scene.reconcile(backend_spec("a-name-that-is-" + "very-" * 12 + "long"), backend_spec("web-2"))
        stage.scene.reports = [report("c" * 64, Decision.IGNORED)]
        page = await stage.open()
        await expect(page.locator("#container-rows tr")).to_have_count(1)
        assert await page.evaluate("document.documentElement.scrollWidth") == 390
        await expect(page.get_by_role("table", name="Backends of web").get_by_role("row")).to_have_count(3)
        await expect(page.get_by_role("button", name="Drain web-2", exact=True)).to_be_visible()


# many


async def test_of_many_backends_a_few_and_the_troubled_show_until_all_are_asked_for(stage: Stage) -> None:
    stage.scene.reconcile(*(backend_spec(f"web-{number}") for number in range(1, 41)))
    stage.scene.fleet.drain("web-40", stage.scene.now)
    page = await stage.open()
    rows = page.locator(".service tbody tr:visible")
    await expect(rows).to_have_count(12)
    await expect(rows.last.locator(".word")).to_have_text("drained")
    await page.get_by_role("button", name="Show all 40 backends").click()
    await expect(rows).to_have_count(40)
    await expect(rows.nth(9).locator(".name")).to_have_text("web-10")
    await page.get_by_label("Filter").fill("WEB-2")
    await expect(rows.locator(".name")).to_have_text(["web-2", *(f"web-{number}" for number in range(20, 30))])
    await page.get_by_label("Filter").fill("nothing of the kind")
    await expect(page.get_by_text("Nothing matches the filter.").first).to_be_visible()


async def test_five_hundred_backends_are_brought_up_to_date_within_a_blink(stage: Stage) -> None:
    names = [f"web-{number}" for number in range(1, 501)]
    stage.scene.reconcile(*(backend_spec(name) for name in names))
    page = await stage.open()
    await page.get_by_role("button", name="Show all 500 backends").click()
    await expect(page.locator(".service tbody tr:visible")).to_have_count(500)
    session = await page.context.new_cdp_session(page)
    await session.send("Performance.enable")
    costs = []
    for update, rate in enumerate(("500/s", "750/s", "1000/s"), 1):
        before = _busy(await session.send("Performance.getMetrics"))
        stage.tick(**{name.replace("-", "_"): update for name in names})
        await expect(page.locator("#total-rate")).to_have_text(rate)
        costs.append(_busy(await session.send("Performance.getMetrics")) - before)
    scripts = await page.evaluate("performance.getEntriesByName('seawall-update').map(entry => entry.duration)")
    assert 0.0 < max(scripts) < LONGEST_UPDATE
    assert 0.0 < min(costs) < LONGEST_UPDATE


def _busy(metrics: dict[str, Any]) -> float:
    """Milliseconds that the page has spent so far on scripts, styles and layout."""
    parts = ("ScriptDuration", "RecalcStyleDuration", "LayoutDuration")
    return 1000.0 * sum(float(metric["value"]) for metric in metrics["metrics"] if metric["name"] in parts)


async def _give(page: Page, title: str, token: str) -> None:
    dialog = page.get_by_role("dialog", name=title)
    await dialog.get_by_label("Admin token").fill(token)
    await page.keyboard.press("Enter")
