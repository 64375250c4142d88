"""A headless Chromium, driven over a pipe by the DevTools protocol: nothing but the browser is needed.

    with chromium.Browser() as browser:
        page = browser.page("http://127.0.0.1:8000/")
        page.until("document.title === 'Ready'")
        page.requests, page.console   # every request it made, every message it wrote
"""

import base64
import json
import os
import pathlib
import select
import shutil
import subprocess
import tempfile
import time

WITHIN_S = 60  # for whatever should come at once, however busy the machine is


class Browser:
    """One browser with a profile of its own, which is removed with it."""

    def __init__(self, *options: str):
        command = shutil.which("chromium")
        if command is None:
            raise AssertionError("chromium is not installed: tools/install-packages test")
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        for end in (to_browser, from_browser):
            os.set_inheritable(end, True)
        # The browser reads from 3 and writes to 4. Moved out of the way first: one may be the other.
        wiring = ('exec 30<&"$1" 31>&"$2"; exec 3<&30 4>&31; exec 30<&- 31>&-; shift 2; exec "$@"')
        self._process = subprocess.Popen(
            ["bash", "-c", wiring, "bash", str(to_browser), str(from_browser), command,
             "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run",
             "--disable-component-update", "--disable-sync", "--hide-scrollbars",
             f"--user-data-dir={self._profile.name}", *options],
            pass_fds=(to_browser, from_browser), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self._buffer = b""
        self._number = 0
        self._answers: dict[int, dict] = {}
        self.pages: dict[str, "Page"] = {}

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(WITHIN_S)
        for end in (self._in, self._out):
            os.close(end)
        self._profile.cleanup()

    def call(self, method: str, session: str | None = None, **parameters) -> dict:
        """The result of a command of the protocol."""
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data):]
        deadline = time.monotonic() + WITHIN_S
        while number not in self._answers:
            if time.monotonic() > deadline:
                raise AssertionError(f"no answer to {method} within {WITHIN_S} s")
            self.listen(0.1)
        answer = self._answers.pop(number)
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        return answer["result"]

    def listen(self, seconds: float) -> None:
        """Takes what the browser has to say."""
        if not select.select([self._in], [], [], seconds)[0]:
            return
        piece = os.read(self._in, 1 << 20)
        if not piece:
            raise AssertionError("the browser has ended")
        *messages, self._buffer = (self._buffer + piece).split(b"\0")
        for text in messages:
            message = json.loads(text)
            if "id" in message:
                self._answers[message["id"]] = message
            elif page := self.pages.get(message.get("sessionId", "")):
                page.note(message["method"], message["params"])

    def page(self, url: str, width: int = 1280, height: int = 900) -> "Page":
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self.pages[session] = Page(self, session)
        for domain in ("Page", "Network", "Runtime", "Log"):
            page.call(f"{domain}.enable")
        page.resize(width, height)
        page.go(url)
        return page


class Page:
    """A tab, with everything it asked for and wrote."""

    def __init__(self, browser: Browser, session: str):
        self._browser, self._session = browser, session
        self.requests: list[str] = []  # URLs
        self.console: list[str] = []   # errors and warnings, the browser's own included

    def call(self, method: str, **parameters) -> dict:
        return self._browser.call(method, self._session, **parameters)

    def note(self, method: str, parameters: dict) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning"):
            self.console.append(str(parameters["args"]))
        elif method == "Runtime.exceptionThrown":
            self.console.append(str(parameters["exceptionDetails"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.console.append(parameters["entry"]["text"])

    def go(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def resize(self, width: int, height: int) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)

    def color_scheme(self, scheme: str) -> None:
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": scheme}])

    def run(self, expression: str):
        """The value of an expression in the page; a promise is waited for."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True,
                           awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def until(self, expression: str) -> None:
        """Waits until an expression is true. While a page is loaded none can be asked."""
        deadline = time.monotonic() + WITHIN_S
        why = ""
        while time.monotonic() < deadline:
            try:
                if self.run(expression):
                    return
            except AssertionError as error:
                why = str(error)
            self._browser.listen(0.05)
        raise AssertionError(f"not within {WITHIN_S} s: {expression} {why}\n"
                             f"the page shows: {self.text()}\nconsole: {self.console}")

    def text(self, selector: str = "body") -> str:
        """What somebody reads there."""
        return self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def type(self, selector: str, text: str) -> None:
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        self.call("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def screenshot(self, path: str | pathlib.Path) -> None:
        image = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        pathlib.Path(path).write_bytes(base64.b64decode(image["data"]))
