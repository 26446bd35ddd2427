"""A page in headless Chromium, spoken to through its pipe: what it asks for, says and shows."""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SECONDS = 60  # that an answer may take
PATH = next(filter(None, map(shutil.which, NAMES)), None)


class Tab:
    """A page that is open; `events` are all that the browser told of it.

    Parameters
    ----------
    commands, answers : int
        Descriptors of the pipe's ends.
    """

    def __init__(self, commands: int, answers: int) -> None:
        self.commands, self.answers = commands, answers
        self.unread, self.number, self.session = b"", 0, None
        self.events: list[dict] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> dict:
        """Send a command of the DevTools protocol, and return its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self.number:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, url: str) -> None:
        """Go to an address, and wait until all is loaded."""
        self.events.clear()
        self.send("Page.navigate", url=url)
        while not self.of("Page.loadEventFired"):
            self.events.append(self._read())

    def of(self, method: str) -> list[dict]:
        """Return what events of a name told."""
        return [event["params"] for event in self.events if event.get("method") == method]

    def value(self, expression: str) -> Any:
        """Return what an expression of JavaScript is on the page."""
        found = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait_for(self, expression: str, seconds: float = SECONDS) -> Any:
        """Return what an expression of JavaScript is, once it is true."""
        end = time.monotonic() + seconds
        while not (found := self.value(expression)):
            assert time.monotonic() < end, f"still not true on the page: {expression}"
            time.sleep(0.05)
        return found

    def give(self, selector: str, path: Path) -> None:
        """Choose a file in an input, as a visitor does."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", files=[str(path)], nodeId=node)

    def asked(self) -> list[str]:
        """Addresses of all that the page has asked for, but for what it holds itself."""
        sent = [event["request"]["url"] for event in self.of("Network.requestWillBeSent")]
        return [url for url in sent if not url.startswith(("data:", "blob:"))]

    def complaints(self) -> list[str]:
        """Errors that the page wrote to the console, or did not catch."""
        logged = [event["entry"] for event in self.of("Log.entryAdded")]
        found = [
            f"{entry['text']} {entry.get('url', '')}"
            for entry in logged
            if entry["level"] == "error"
        ]
        found += [str(event["exceptionDetails"]) for event in self.of("Runtime.exceptionThrown")]
        return found + [
            str(event["args"])
            for event in self.of("Runtime.consoleAPICalled")
            if event["type"] == "error"
        ]

    def show(self, width: int, scheme: str = "light", media: str = "screen") -> None:
        """Show the page on a screen of some width, or as it will be on paper."""
        screen = dict(width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
        self.send("Emulation.setDeviceMetricsOverride", **screen)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", media=media, features=features)

    def picture(self) -> bytes:
        """Return the whole page as PNG."""
        taken = self.send("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(taken["data"])

    def paper(self) -> bytes:
        """Return the page as PDF."""
        self.send("Emulation.setEmulatedMedia", media="print", features=[])
        return base64.b64decode(self.send("Page.printToPDF", preferCSSPageSize=True)["data"])

    def _read(self):
        while b"\0" not in self.unread:
            ready, _, _ = select.select([self.answers], [], [], SECONDS)
            assert ready, "Chromium does not answer"
            read = os.read(self.answers, 1 << 16)
            assert read, "Chromium ended"
            self.unread += read
        message, _, self.unread = self.unread.partition(b"\0")
        return json.loads(message)


@contextmanager
def opened(profile: Path, *more: str) -> Iterator[Tab]:
    """A tab of a Chromium of its own, which ends with the block.

    Parameters
    ----------
    profile : Path
        Folder for what the browser keeps.
    *more : str
        Words of its command line.
    """
    inward, commands = os.pipe()
    answers, outward = os.pipe()
    # The shell puts the pipe's ends where Chromium looks for them.
    script = f'exec "$@" 3<&{inward} 4>&{outward}'
    words = [
        *("--headless", "--remote-debugging-pipe", f"--user-data-dir={profile}"),
        *("--use-angle=swiftshader", "--enable-unsafe-swiftshader"),  # WebGL without a GPU
        *("--no-sandbox", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars"),
        *("--disable-background-networking", "--disable-extensions"),
        *("--autoplay-policy=no-user-gesture-required", *more),
    ]
    process = subprocess.Popen(
        ["bash", "-c", script, "bash", PATH, *words],
        pass_fds=(inward, outward),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(inward)
    os.close(outward)
    try:
        yield Tab(commands, answers)
    finally:
        process.terminate()
        process.wait(SECONDS)
        os.close(commands)
        os.close(answers)
