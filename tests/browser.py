"""Debian's Chromium without a window, driven over a pair of pipes by the DevTools protocol.

With ``--remote-debugging-pipe`` it reads messages from its descriptor 3 and answers on 4, each in
JSON and ended by a zero byte. Nothing but the standard library is needed.
"""

import base64
import contextlib
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

CHROMIUM = shutil.which("chromium")

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
FLAGS += ("--hide-scrollbars", "--no-first-run", "--disable-extensions", "--mute-audio")
PATIENCE = 60  # s for any one answer, on a machine whose cores are all busy


class Tab:
    """One page that is open, of some width in CSS pixels, in light or dark."""

    def __init__(self, browser, session):
        self.browser, self.session = browser, session

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def run(self, script):
        """Value of a JavaScript expression; a promise is awaited."""
        found = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in found:
            raise AssertionError(found["exceptionDetails"])
        return found["result"].get("value")

    def press(self, key):
        """Tab or Enter, pressed and released."""
        event = {"key": key, "code": key, "windowsVirtualKeyCode": {"Tab": 9, "Enter": 13}[key]}
        text = {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **event, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def events(self, *methods):
        """Parameters of the events of these names, of this page, so far."""
        self.run("0")  # what was sent before this answer has arrived
        mine = (e for e in self.browser.events if e.get("sessionId") == self.session)
        return [e["params"] for e in mine if e["method"] in methods]

    def errors(self):
        """What the console shows in red, exceptions among it."""
        logged = [e["entry"] for e in self.events("Log.entryAdded")]
        said = [e for e in self.events("Runtime.consoleAPICalled") if e["type"] == "error"]
        thrown = [e["exceptionDetails"]["text"] for e in self.events("Runtime.exceptionThrown")]
        spoken = [str(e["args"][0].get("value")) for e in said]
        return [e["text"] for e in logged if e["level"] == "error"] + spoken + thrown

    def requests(self):
        """Addresses asked for after the page itself, what stands inside it aside."""
        urls = [e["request"]["url"] for e in self.events("Network.requestWillBeSent")]
        return [url for url in urls[1:] if not url.startswith("data:")]

    def screenshot(self):
        """A picture in PNG of what is seen."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])


class Browser:
    """A running Chromium."""

    def __init__(self, folder):
        ours, theirs = os.pipe(), os.pipe()  # (what it reads, what we write), and the other way
        self.answers, self.orders = theirs[0], ours[1]
        shell = f'exec "$0" "$@" 3<&{ours[0]} 4>&{theirs[1]}'
        command = [CHROMIUM, *FLAGS, f"--user-data-dir={folder}", "--remote-debugging-pipe"]
        self.process = subprocess.Popen(
            ["bash", "-c", shell, *command, "about:blank"],
            pass_fds=(ours[0], theirs[1]),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(ours[0])
        os.close(theirs[1])
        self.numbers, self.held, self.events = itertools.count(1), b"", []

    def call(self, method, session=None, **parameters):
        """Send one message and wait for its answer; events that come meanwhile are kept."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        self._send(json.dumps(message).encode() + b"\0")
        end = time.monotonic() + PATIENCE
        while True:
            answer = self._receive(end)
            if answer.get("id") == number:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            if "method" in answer:
                self.events.append(answer)

    def wait(self, name, session):
        """The first event of this name."""
        end = time.monotonic() + PATIENCE
        while True:
            for event in self.events:
                if (event["method"], event.get("sessionId")) == (name, session):
                    return event["params"]
            answer = self._receive(end)
            if "method" in answer:
                self.events.append(answer)

    @contextlib.contextmanager
    def page(self, path, width=1280, height=800, dark=False):
        """Tab with the page at ``path``, its images decoded."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.events.clear()
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = Tab(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            tab.call(f"{domain}.enable")
        tab.call(
            "Emulation.setDeviceMetricsOverride",
            **{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        )
        # without motion, what a link leads to is there at once
        media = {"color-scheme": "dark" if dark else "light", "reduced-motion": "reduce"}
        features = [{"name": f"prefers-{name}", "value": value} for name, value in media.items()]
        tab.call("Emulation.setEmulatedMedia", features=features)
        tab.call("Emulation.setFocusEmulationEnabled", enabled=True)
        tab.call("Page.navigate", url=path.as_uri())
        self.wait("Page.loadEventFired", session)
        try:
            yield tab
        finally:
            self.call("Target.closeTarget", targetId=target)

    def close(self):
        with contextlib.suppress(OSError, AssertionError):
            self.call("Browser.close")
        os.close(self.orders)
        os.close(self.answers)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _send(self, data):
        while data:
            data = data[os.write(self.orders, data) :]

    def _receive(self, end):
        while b"\0" not in self.held:
            ready, _, _ = select.select([self.answers], [], [], max(0, end - time.monotonic()))
            if not ready:
                raise AssertionError(f"chromium: no answer in {PATIENCE} s")
            data = os.read(self.answers, 1 << 20)
            if not data:
                raise AssertionError(f"chromium: ended with status {self.process.poll()}")
            self.held += data
        message, _, self.held = self.held.partition(b"\0")
        return json.loads(message)


@contextlib.contextmanager
def started():
    """A browser with a profile of its own, both gone afterwards."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Browser(folder)
        try:
            yield browser
        finally:
            browser.close()
