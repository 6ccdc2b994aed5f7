"""Names of runs, classes, data and options may be markup; on the page they are letters."""

from html import escape
from pathlib import Path

from page_runs import result, run
from reporting.page.render import Shown, page

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"


def test_names_are_text_and_never_markup(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    scores = result(class_iou={EVIL: 30.0, "cat": 40.0}, training_episodes_digest=EVIL)
    environment = {"torch": EVIL, "device": EVIL}
    runs = [
        run(f"{name}{EVIL}", scores, data=EVIL, novel_classes=EVIL, backbone_weights=EVIL)._replace(
            environment=environment
        )
        for name in ("a", "b")
    ]
    shown = Shown(missing=EVIL, rule=EVIL, worth=[EVIL])
    text = page(runs, shown, Path(EVIL.replace("/", "_")), 1, EVIL)
    assert "<script>alert" not in text and "<img src=x" not in text
    assert escape(EVIL, quote=False) in text.replace("&#34;", '"').replace("&#39;", "'")
