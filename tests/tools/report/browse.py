"""Opens a report in a real Chromium and looks at it, over the debugging pipe; needs Python's standard library alone.

browse.py REPORT [--axe AXE.JS] [--shots FOLDER]   prints one line of JSON"""
import base64, json, os, subprocess, sys, tempfile, time

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--remote-debugging-pipe"]


class Browser:
    def __init__(self, profile):
        to_read, self.to = os.pipe()
        self.back, to_write = os.pipe()

        def place():
            # Chromium reads from 3 and writes to 4. Both move out of the way first.
            reading, writing = os.dup2(to_read, 20), os.dup2(to_write, 21)
            os.dup2(reading, 3)
            os.dup2(writing, 4)

        self.process = subprocess.Popen(["chromium", *FLAGS, "--user-data-dir=" + profile, "about:blank"], preexec_fn=place,
            close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self.rest, self.number, self.events, self.session = b"", 0, [], None

    def read(self):
        while b"\0" not in self.rest:
            more = os.read(self.back, 1 << 20)
            if not more:
                sys.exit("chromium ended")
            self.rest += more
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def ask(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == self.number:
                if "error" in answer:
                    sys.exit("%s: %s" % (method, answer["error"]))
                return answer["result"]
            self.events.append(answer)

    def open(self):
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.ask(domain + ".enable")

    def value(self, code):
        answer = self.ask("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            sys.exit("%s: %s" % (code[:80], answer["exceptionDetails"]))
        return answer["result"].get("value")

    def until(self, code):
        end = time.time() + 60
        while not self.value(code):
            if time.time() > end:
                sys.exit("waited in vain for " + code)
            time.sleep(0.05)

    def press(self, key):
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode={"Enter": 13, "Escape": 27, "ArrowDown": 40}[key])

    def size(self, width, height=900):
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def look(self, media="screen", scheme="light"):
        self.ask("Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}])


# How long from a key in the search field until the rows are drawn: the wait for more keys is part of it.
SEARCH = """new Promise(done => {
  const box = document.getElementById("search"), count = document.getElementById("count"), from = performance.now();
  new MutationObserver((_, self) => { self.disconnect(); requestAnimationFrame(() => done(performance.now() - from)); })
    .observe(count, {childList: true, characterData: true, subtree: true});
  box.value = %s; box.dispatchEvent(new Event("input"));
})"""

PAINT = """(performance.getEntriesByType("paint").find(one => one.name === "first-contentful-paint") || {}).startTime"""

AXE = """axe.run(document).then(found => found.violations.map(one =>
  ({id: one.id, impact: one.impact, nodes: one.nodes.slice(0, 3).map(node => node.html.slice(0, 200))})))"""

OPEN = """document.querySelectorAll("details").forEach(one => { one.open = %s; })"""

# Cells in which a word of the report's own is broken: it takes more lines than it has places to break.
BROKEN = """Array.from(document.querySelectorAll("td:not(.long), th, #story-close, .head button")).filter(cell => {
  if (!cell.offsetParent || !cell.firstChild) return false;
  const range = document.createRange();
  const walk = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
  for (let text; (text = walk.nextNode());) {
    for (const found of text.data.matchAll(/[A-Za-z0-9]+/g)) {
      range.setStart(text, found.index);
      range.setEnd(text, found.index + found[0].length);
      if (new Set(Array.from(range.getClientRects()).filter(one => one.width > 0).map(one => Math.round(one.top))).size > 1) return true;
    }
  }
  return false;
}).map(cell => cell.textContent).slice(0, 5)"""

# Labels that are cut or stand over their edge.
NARROW = """Array.from(document.querySelectorAll(".head button, #story-close")).filter(one =>
  one.offsetParent && one.scrollWidth > one.clientWidth).map(one => one.textContent)"""

ROW_PX = """document.querySelector("#standing tbody tr").getBoundingClientRect().height"""

LOADED = """/^[0-9,]+ of [0-9,]+ rows( shown here.*)?$/.test((document.getElementById("count") || {}).textContent || "")"""


def main(arguments):
    report = os.path.abspath(arguments[0])
    options = dict(zip(arguments[1::2], arguments[2::2]))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        try:
            print(json.dumps(seen(browser, report, options)))
        finally:
            browser.process.kill()
            browser.process.wait()


def seen(browser, report, options):
    browser.open()
    browser.size(1400)
    browser.look()
    browser.ask("Page.navigate", url="file://" + report)
    browser.until("document.readyState === 'complete'")
    browser.until(LOADED)
    found = {"first_paint_ms": browser.value(PAINT), "all_rows_ms": browser.value("performance.now()")}
    found["count"] = browser.value("document.getElementById('count').textContent")
    found["drawn"] = browser.value("document.querySelectorAll('.row').length")
    if "--axe" in options:
        browser.value(open(options["--axe"], encoding="utf-8").read() + ";0")
        found["axe"] = {}
        for scheme in ("light", "dark"):
            browser.look(scheme=scheme)
            found["axe"][scheme] = browser.value(AXE)
        browser.look()
        # On a phone, with everything open, tables scroll in themselves.
        browser.size(360)
        browser.value(OPEN % "true")
        found["axe"]["phone"] = browser.value(AXE)
        browser.value(OPEN % "false")
        browser.size(1400)
    found["search_ms"] = [browser.value(SEARCH % json.dumps(text)) for text in ("deploy", "no such thing", "1", "")]
    browser.value("document.querySelector('.head button[data-by=\"5\"]').click()")
    browser.value("document.querySelector('.head button[data-by=\"5\"]').click()")
    found["details"] = browser.value("Array.from(document.querySelectorAll('.row')).map(row => row.children[5].textContent)")
    browser.value("document.querySelector('.head button[data-by=\"0\"]').click()")
    found["standing"] = browser.value("document.getElementById('standing').textContent")
    browser.value("document.getElementById('grid').focus()")
    browser.press("ArrowDown")
    found["active"] = browser.value("document.getElementById('grid').getAttribute('aria-activedescendant')")
    browser.press("Enter")
    found["story"] = browser.value("document.getElementById('story').open && document.getElementById('story').innerText")
    if "--axe" in options:
        found["axe"]["story"] = browser.value(AXE)
    if "--shots" in options:
        shot(browser, options["--shots"], "story", whole=False)
    browser.press("Escape")
    found["closed"] = browser.value("!document.getElementById('story').open && document.activeElement.id")
    found["wide"], found["broken"], found["narrow"] = {}, {}, {}
    for width in (360, 800, 1400):
        browser.size(width)
        browser.value(OPEN % "true")
        found["broken"][str(width)] = browser.value(BROKEN)
        found["narrow"][str(width)] = browser.value(NARROW)
        browser.value(OPEN % "false")
        found["wide"][str(width)] = browser.value("document.documentElement.scrollWidth")
        for scheme in ("light", "dark"):
            browser.look(scheme=scheme)
            if "--shots" in options:
                shot(browser, options["--shots"], "%d-%s" % (width, scheme))
    browser.look()
    # As wide as a sheet of A4 between its margins.
    browser.size(718)
    browser.look(media="print")
    browser.value(OPEN % "true")
    found["broken"]["print"] = browser.value(BROKEN)
    found["row_px"] = browser.value(ROW_PX)
    found["print_wide"] = browser.value("document.documentElement.scrollWidth")
    browser.value(OPEN % "false")
    browser.look()
    pdf = base64.b64decode(browser.ask("Page.printToPDF", printBackground=True)["data"])
    found["pdf_bytes"] = len(pdf)
    if "--shots" in options:
        with open(os.path.join(options["--shots"], "print.pdf"), "wb") as file:
            file.write(pdf)
    urls = [event["params"]["request"]["url"] for event in browser.events if event.get("method") == "Network.requestWillBeSent"]
    found["requests"] = [url for url in urls if url != "file://" + report and not url.startswith("data:")]
    said = ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled", "Page.javascriptDialogOpening")
    found["complaints"] = [event["params"] for event in browser.events if event.get("method") in said]
    return found


def shot(browser, folder, name, whole=True):
    picture = browser.ask("Page.captureScreenshot", captureBeyondViewport=whole, **({"clip": clip(browser)} if whole else {}))
    with open(os.path.join(folder, name + ".png"), "wb") as file:
        file.write(base64.b64decode(picture["data"]))


def clip(browser):
    size = browser.ask("Page.getLayoutMetrics")["cssContentSize"]
    return {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 16000), "scale": 1}


if __name__ == "__main__":
    main(sys.argv[1:])
