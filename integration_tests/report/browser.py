"""A headless Chromium that tests talk to through its DevTools protocol, over a pair of pipes."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

ADVICE = (
    "Install Chromium for the tests of the report: make chromium (or, on Debian and Ubuntu, apt-get install chromium)."
)
# As root in a container there is no sandbox to have, and nothing here may look for a network.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)
PATIENCE = 60
# The marks of each chart that have a size.
MARKS = """[...document.querySelectorAll("figure")].map(figure => [
  figure.querySelector("figcaption").textContent,
  [...figure.querySelectorAll(".role-mark [aria-roledescription]")].filter(mark => {
    const box = mark.getBoundingClientRect();
    return box.width > 0 && box.height > 0;
  }).length])"""


class Browser:
    """One page of a browser. `complaints` holds what its console and its network said of it."""

    def __init__(self, process: subprocess.Popen[bytes], to_browser: int, from_browser: int) -> None:
        self._process = process
        self._to = os.fdopen(to_browser, "wb", buffering=0)
        self._from = os.fdopen(from_browser, "rb")
        self._number = 0
        self._session: str | None = None
        self.complaints: list[str] = []
        self.requests: list[str] = []
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._ask(f"{domain}.enable")

    def forget(self) -> None:
        """Hold nothing against the pages to come."""
        self.complaints.clear()
        self.requests.clear()

    def open(self, page: Path) -> None:
        """Open a file and wait until it is loaded."""
        self._ask("Page.navigate", url=page.resolve().as_uri())
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def look(self, *, width: int, scheme: str = "light", media: str = "screen", is_phone: bool = False) -> None:
        """Look at the page on a screen of this width, in light or dark, or as it is printed."""
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=is_phone)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self._ask("Emulation.setEmulatedMedia", media=media, features=[feature])

    def evaluate(self, script: str) -> Any:
        """Return what a script gives in the page."""
        answer = self._ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def screenshot(self, to: Path) -> None:
        """Write the whole page as a picture."""
        shot = self._ask("Page.captureScreenshot", captureBeyondViewport=True)
        to.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        """End the browser."""
        self._session = None
        self._ask("Browser.close")
        self._process.wait(PATIENCE)
        self._to.close()
        self._from.close()

    def __enter__(self) -> Browser:
        """Stay open until the block ends."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the browser."""
        self.close()

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._to.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def _next(self) -> dict[str, Any]:
        text = bytearray()
        while (byte := self._from.read(1)) != b"\0":
            assert byte, "the browser has ended"
            text += byte
        message: dict[str, Any] = json.loads(text)
        params = message.get("params", {})
        match message.get("method"):
            case "Log.entryAdded":
                self.complaints.append(params["entry"]["text"])
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(params))
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
        return message


@contextmanager
def browser() -> Iterator[Browser]:
    """Start a Chromium with nothing remembered, and end it."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, ADVICE
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        their_input, to_browser = os.pipe()
        from_browser, their_output = os.pipe()
        # The protocol wants its pipes as numbers 3 and 4.
        shell = ["bash", "-c", f'exec "$@" 3<&{their_input} 4>&{their_output}', "bash"]
        process = subprocess.Popen(
            [*shell, chromium, *FLAGS, f"--user-data-dir={profile}"],
            pass_fds=(their_input, their_output),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(their_input)
        os.close(their_output)
        try:
            with Browser(process, to_browser, from_browser) as opened:
                yield opened
        finally:
            process.kill()
            process.wait(PATIENCE)
