"""Whatever strangers write is shown and never runs: thirty payloads in every place that shows what they wrote."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.conftest import Enter, House

RUN = "ran++;alert(1)"
STRANGE = "iframe, object, embed, base, img[src=x], main script, [onerror], [onload], [onclick], [onfocus]"
PROTOCOLS = "all => [...new Set(all.map(a => a.protocol))]"
PAYLOADS = (
    f"<script>{RUN}</script>", f"</title><script>{RUN}</script>", f"</textarea><script>{RUN}</script>",
    f"<img src=x onerror='{RUN}'>", f"<img src=x onerror={RUN}//", f"<svg onload='{RUN}'>",
    f"<svg><script>{RUN}</script></svg>",
    f"<body onload='{RUN}'>", "<iframe srcdoc=\"<script>parent.ran++</script>\">", f"<iframe src='javascript:{RUN}'>",
    f"javascript:{RUN}", f"JaVaScRiPt:{RUN}", f"\tjavascript:{RUN}", f"data:text/html,<script>{RUN}</script>",
    f"'\" autofocus onfocus='{RUN}'", f"\" onmouseover=\"{RUN}\" x=\"", f"' onclick='{RUN}' x='", f"`${{{RUN}}}`",
    "{{ 7919*7907 }}", "{% for x in ().__class__.__mro__ %}x{% endfor %}", "${7919*7907}", "<%= 7919*7907 %>",
    f"<a href='javascript:{RUN}'>click</a>", f"<form action='javascript:{RUN}'><button>go</button></form>",
    "<div hx-get='/board' hx-trigger='load'></div>", f"<b hx-on:load='{RUN}' data-hx-on:load='{RUN}'>x</b>",
    f"<math><mtext></p><style><!--</style><img src=x onerror='{RUN}'>", f"<object data='javascript:{RUN}'></object>",
    "<base href='https://evil.example/'>",
    f"\u202e<script>{RUN}</script>\u2028<meta http-equiv=refresh content='0;url=/x'>",
)  # fmt: skip


def look(page: Page, address: str) -> str:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.wait_for_timeout(150)
    assert page.evaluate("window.ran") == 0, address
    assert page.locator(STRANGE).count() == 0, address
    assert page.eval_on_selector_all("a", PROTOCOLS) in (["http:"], ["http:", "https:"], ["https:", "http:"])
    assert not [url for url in asked if not url.startswith(address.split("/", 3)[0] + "//127.0.0.1")]
    return page.inner_text("main")


def test_nothing_that_strangers_write_runs(enter: Enter, house: House) -> None:
    assert len(PAYLOADS) == 30
    for number, text in enumerate(PAYLOADS):
        house.world.send(
            name=text, email=f"x{number}@example.com", message=text, company=text, form=text, page=text,
            referrer=text, utm_source=text, submission_id=f"xss{number}",
            **{text[:60]: text, "answer": [text, {"deep": text}]},
        )  # fmt: skip
    house.world.process()
    page = enter("ada")
    shown = look(page, f"{house.address}/desk")
    assert "7919*7907" in shown
    assert str(7919 * 7907) not in shown
    look(page, f"{house.address}/board")
    for text in PAYLOADS[:8]:
        page.goto(f"{house.address}/desk")
        page.fill("[name=q]", text)
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert page.evaluate("window.ran") == 0
    for lead_id in house.world.leads.values():
        look(page, f"{house.address}/leads/{lead_id}")


def test_a_reason_is_shown_as_it_was_typed(enter: Enter, house: House) -> None:
    page = enter("dora")
    page.goto(f"{house.address}/leads/{house.world.leads['Maria Schmidt']}")
    page.get_by_text("Reject", exact=True).click()
    page.fill("input[name=reason][list=reasons]", PAYLOADS[3])
    page.get_by_role("button", name="Reject this lead").click()
    page.wait_for_selector(".line.rejected")
    assert PAYLOADS[3] in page.inner_text(".line.rejected")
    assert page.evaluate("window.ran") == 0
