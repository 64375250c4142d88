"""Headless Chromium, driven over the DevTools protocol.

    with Chromium() as browser:
        page = browser.open("http://127.0.0.1:8000/")
        page.evaluate("document.title")                       # a value, or what a promise becomes
        page.wait_for("document.querySelector('#done')")      # until it is true
        page.requests, page.console                           # what it asked for, and complained of
        page.screenshot(pathlib.Path("page.png"))

A profile of its own in a temporary folder; nothing is read from or left in the user's. The protocol
runs over two pipes, so no port is open and no library is needed. Not thread-safe.
"""

import base64
import itertools
import json
import os
import pathlib
import select
import shutil
import subprocess
import tempfile
import time

WITHIN_S = 60  # for whatever should come at once, however busy the machine is

OPTIONS = [
    "--headless=new", "--remote-debugging-pipe", "--disable-gpu", "--hide-scrollbars",
    "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-default-apps", "--disable-extensions", "--disable-sync",
    "--metrics-recording-only", "--no-proxy-server",
]


class Chromium:
    """A browser process. Its end is the end of all pages."""

    def __init__(self, width: int = 1280, height: int = 900):
        command = shutil.which("chromium")
        if command is None:
            raise AssertionError("no chromium: tools/install-packages test installs it")
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        to_browser, self._to = os.pipe()
        self._from, from_browser = os.pipe()
        # Chromium's sandbox refuses root, which is what containers run as.
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        # It reads the protocol from descriptor 3 and writes it to 4. Not sh, whose descriptors have
        # one digit.
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{to_browser} 4>&{from_browser}', "bash", command, *OPTIONS,
             *sandbox, f"--window-size={width},{height}", f"--user-data-dir={self._profile.name}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=(to_browser, from_browser), env=os.environ | {"HOME": self._profile.name})
        os.close(to_browser)
        os.close(from_browser)
        self._numbers = itertools.count(1)
        self._received = b""
        self._pages: dict[str, Page] = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        try:
            self.call("Browser.close")
            self._process.wait(WITHIN_S)
        except (AssertionError, OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._to)
        os.close(self._from)
        self._profile.cleanup()

    def open(self, url: str, width: int | None = None, height: int = 900) -> "Page":
        """A new page, once it is loaded; of another size than the browser's if one is given."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in ("Network", "Runtime", "Log"):
            page.call(f"{domain}.enable")
        if width is not None:
            page.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                      deviceScaleFactor=1, mobile=False)
        page.go_to(url)
        return page

    def call(self, method: str, session: str | None = None, **parameters) -> dict:
        """One command of the protocol, and its result. Events in between go to their page."""
        number = next(self._numbers)
        command = {"id": number, "method": method, "params": parameters}
        if session is not None:
            command["sessionId"] = session
        data = json.dumps(command).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data):]
        deadline = time.monotonic() + WITHIN_S
        while True:
            message = self._receive(deadline)
            if message.get("id") != number:
                if page := self._pages.get(message.get("sessionId", "")):
                    page.note(message["method"], message["params"])
                continue
            if "error" in message:
                raise AssertionError(f"{method}: {message['error']['message']}")
            return message["result"]

    def _receive(self, deadline: float) -> dict:
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._from], [], [], max(0, deadline - time.monotonic()))
            data = os.read(self._from, 1 << 16) if ready else b""
            if not data:
                raise AssertionError("the browser has ended" if ready else "the browser is silent")
            self._received += data
        message, self._received = self._received.split(b"\0", 1)
        return json.loads(message)


class Page:
    """One tab of a browser, with what it asked for and complained of up to the last call."""

    def __init__(self, browser: Chromium, session: str):
        self._browser, self._session = browser, session
        self.requests: list[str] = []  # URLs
        self.console: list[str] = []   # errors and warnings, the browser's own included

    def note(self, event: str, parameters: dict) -> None:
        """Takes an event of the protocol."""
        if event == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif event == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning"):
            self.console.append(str(parameters["args"]))
        elif event == "Runtime.exceptionThrown":
            self.console.append(str(parameters["exceptionDetails"]))
        elif event == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.console.append(parameters["entry"]["text"])

    def call(self, method: str, **parameters) -> dict:
        return self._browser.call(method, self._session, **parameters)

    def go_to(self, url: str) -> None:
        """Loads another document and waits until it is complete."""
        went = self.call("Page.navigate", url=url)
        if "errorText" in went:
            raise AssertionError(f"{url}: {went['errorText']}")
        self.wait_for("location.href !== 'about:blank' && document.readyState === 'complete'")

    def evaluate(self, expression: str):
        """The value of a JavaScript expression; of a promise, what it becomes."""
        done = self.call("Runtime.evaluate", expression=expression, awaitPromise=True,
                         returnByValue=True, userGesture=True)
        if "exceptionDetails" in done:
            details = done["exceptionDetails"]
            thrown = details.get("exception", {}).get("description", details["text"])
            raise AssertionError(f"{expression}: {thrown}")
        return done["result"].get("value")

    def wait_for(self, expression: str, within_s: float = WITHIN_S):
        """Waits until an expression is true, and returns its value."""
        deadline = time.monotonic() + within_s
        while not (value := self.evaluate(expression)):
            if time.monotonic() > deadline:
                raise AssertionError(f"never true within {within_s} s: {expression}\n"
                                     f"the page shows: {self.text()}\nconsole: {self.console}")
            time.sleep(0.05)
        return value

    def text(self, selector: str = "body") -> str:
        """What somebody reads there."""
        return self.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def prefer(self, color_scheme: str) -> None:
        """light or dark."""
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": color_scheme}])

    def type(self, selector: str, text: str) -> None:
        """Types into a field, as a user's keys would."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        self.call("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    def screenshot(self, file: pathlib.Path) -> None:
        """Of the whole page, below the window's edge too."""
        image = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(image["data"]))
