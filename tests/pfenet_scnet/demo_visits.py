"""A running demo page, and visits to it in a real browser."""

import os
import re
import signal
import socket
import subprocess
import threading
from pathlib import Path

import warm_python
from processes import EXAMPLE


class Listener:
    """A proxy that nobody should ask: it counts who does."""

    def __init__(self):
        self.calls = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            try:
                caller, _ = self.socket.accept()
            except OSError:
                return
            self.calls.append(caller.recv(200))
            caller.close()


class Page:
    """A running demo."""

    def __init__(self, work, *words):
        self.proxy = Listener()
        settings = {key: value for key, value in os.environ.items() if key != "SELFCONTRAST_VOC"}
        self.uploads = work / f"uploads of {words[0]}"
        self.uploads.mkdir()
        settings |= {"SELFCONTRAST_CACHE": str(work / "cache"), "TMPDIR": str(self.uploads)}
        settings |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), self.proxy.address)
        self.errors = (work / f"errors of {words[0]}").open("w+")
        line = [warm_python.python(), str(EXAMPLE / "demo.py"), *words]
        self.process = subprocess.Popen(line, cwd=work, env=settings, stdout=-1, stderr=self.errors, text=True)
        said = self.process.stdout.readline()
        found = re.fullmatch(r"the page is at (http://127\.0\.0\.1:\d+) and stays open until Ctrl-C\n", said)
        assert found, said + Path(self.errors.name).read_text()
        self.address = found[1]
        self.port = int(self.address.rpartition(":")[2])

    def interrupt(self):
        """Status and all that was said on the error stream."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.communicate(timeout=30)[0] == ""
        self.errors.seek(0)
        return self.process.returncode, self.errors.read()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.proxy.socket.close()
        self.errors.close()


class Visit:
    """The page in a browser. At the end nothing has been asked of another computer, and no error was noted."""

    def __init__(self, context, address, width=1280):
        self.tab = context.new_page()
        self.tab.set_viewport_size({"width": width, "height": 900})
        self.tab.set_default_timeout(30_000)
        self.asked, self.errors = [], []
        self.tab.on("request", lambda request: self.asked.append(request.url))
        self.tab.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.goto(address)
        self.button = self.tab.get_by_role("button", name="Find the object")
        self.button.wait_for()

    def choose(self, label, *files):
        """Choose files in the control of a label."""
        control = self.tab.locator(".block").filter(has=self.tab.get_by_text(label, exact=True))
        control.locator("input[type=file]").set_input_files([str(file) for file in files])
        control.get_by_role("row").nth(len(files) - 1).wait_for()

    def own(self, support, query):
        for part in self.tab.get_by_label("My own pictures").all():
            part.check()
        self.choose("Support pictures", support)
        self.choose("Query pictures", query)

    def mask(self, file):
        self.tab.get_by_role("button", name="Masks from files").click()
        self.choose("Masks", file)

    def press(self):
        self.button.click()
        answer = self.tab.locator(".results, .mistake")
        answer.wait_for()
        return answer

    def shown(self):
        """Titles of the figures of the results; each has loaded, and says what it is."""
        for picture in self.tab.locator(".results img").all():
            picture.scroll_into_view_if_needed()
            assert picture.evaluate("one => one.complete && one.naturalWidth") > 0 and picture.get_attribute("alt")
        return self.tab.locator(".results figcaption b").all_inner_texts()

    def end(self):
        assert self.errors == []
        assert all(re.match(r"http://127\.0\.0\.1:|blob:http://127\.0\.0\.1:|data:", url) for url in self.asked)
        self.tab.close()
