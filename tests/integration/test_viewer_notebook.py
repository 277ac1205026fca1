"""The inspector in a real JupyterLab page."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

CODE = """
from PIL import Image
import numpy as np
import scr_lens as sl
from scr_lens.trace import wrap
from scr_lens.trace.synthetic import SyntheticLlava, build_llava
from scr_lens.viewer import widget
lens = wrap(*build_llava(SyntheticLlava(image_size=84)), model_id="tiny")
image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 60, 3), dtype=np.uint8))
sample = sl.Sample(image, question="is there a dog ?", image_id="noise.png")
found = sl.inspect_image(lens, sample, config=sl.ScrConfig(lambda_=1.5, n_sources=3))
w = widget(found)
w
"""
SET = "w.layer = 3; w.view = 'difference'; print('set')"
ASK = """
change = float(found.after.resid_norm[3, 20]) - float(found.before.resid_norm[3, 20])
print('state', w.layer, w.view, change)
"""
KERNEL_IS_READY = """() => {
  const kernel = window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel;
  return kernel?.connectionStatus === "connected" && kernel.status === "idle";
}"""
PATIENCE = 180_000  # ms; a busy machine starts a kernel slowly


def notebook():
    cells = [
        {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": text,
            "id": f"c{k}",
        }
        for k, text in enumerate((CODE, SET, ASK))
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture
def lab(tmp_path):
    """A JupyterLab server of its own on the loopback interface; its address with the token."""
    pytest.importorskip("jupyterlab", reason="jupyterlab is not installed")
    pytest.importorskip("anywidget", reason="anywidget is not installed")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "inspector.ipynb").write_text(json.dumps(notebook()))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {
        name: str(tmp_path / name.lower())
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "HOME")
    }
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": tmp_path / "work",
        "IdentityProvider.token": "secret",
        "LabApp.expose_app_in_browser": True,
        "LabApp.extension_manager": "readonly",
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--{name}={value}" for name, value in options.items()]
    log = (tmp_path / "log").open("w")
    server = subprocess.Popen(
        command, env={**os.environ, **own}, stdout=log, stderr=log, start_new_session=True
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(server, f"{address}/api/status?token=secret", tmp_path / "log")
        yield address
    finally:
        server.terminate()
        server.wait(timeout=60)
        log.close()


def _wait(server, url, log):
    for _ in range(240):
        if server.poll() is not None:
            pytest.fail(f"jupyter lab ended early: {log.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"jupyter lab does not answer: {log.read_text()[-2000:]}")


@pytest.mark.slow
def test_the_widget_shows_in_jupyterlab_and_talks_to_python(chromium, lab):
    context = chromium.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{lab}/lab/tree/inspector.ipynb?token=secret")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.wait_for_function(
        "window.jupyterapp && window.jupyterapp.commands.hasCommand('notebook:run-all-cells')"
    )
    page.wait_for_function(KERNEL_IS_READY)  # cells run before that are dropped without a word
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_selector(".sl-embedded .sl-canvas")
    state = page.locator(".jp-OutputArea-output", has_text="state")
    state.wait_for()
    told = re.search(r"state (\d+) (\w+) (\S+)", state.inner_text())
    assert told is not None and told[1] == "3" and told[2] == "difference" and float(told[3]) != 0
    # Python set layer and view; the page follows
    page.wait_for_selector(".sl-embedded input[type=radio][value=difference]:checked", state="attached")
    canvas = page.locator(".sl-embedded .sl-canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box["width"] > 200
    page.mouse.move(box["x"] + 2.5 / 6 * box["width"], box["y"] + 3.5 / 6 * box["height"])
    change = page.locator('.sl-embedded [data-field="change"]').first
    assert float(change.get_attribute("data-value")) == float(told[3])
    # Its keys are its own: 1 shows "before" and does not turn the cell into a heading; Python hears of it
    canvas.focus()
    page.keyboard.press("1")
    page.wait_for_selector(".sl-embedded input[type=radio][value=before]:checked", state="attached")
    assert page.locator(".jp-MarkdownCell").count() == 0
    page.evaluate(
        "(() => { const panel = window.jupyterapp.shell.currentWidget; panel.content.activeCellIndex = 2; "
        "return window.jupyterapp.commands.execute('notebook:run-cell') })()"
    )
    page.locator(".jp-OutputArea-output", has_text="state 3 before").wait_for()
    context.close()
