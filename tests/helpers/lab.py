"""JupyterLab in the browser, on a project of its own: what tests of notebooks as a user has them use."""

import os
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest

from ofdb_core.base import project
from ofdb_core.run import init

FLAGS = ["--LabApp.expose_app_in_browser=True", "--IdentityProvider.token=", "--allow-root", "--no-browser"]
OPEN = "window.jupyterapp?.shell.currentWidget"
KERNEL = f"{OPEN}?.context?.sessionContext.session?.kernel"
PIXELS = """canvas => {
  const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let text = '';
  for (let i = 0; i < data.length; i += 4) text += data[i] ? '1' : '0';
  return text;
}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab on a project that `ofdb init` made: its address and its folder."""
    root = tmp_path_factory.mktemp("lab")
    init.run(root)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", *FLAGS, f"--port={port}", f"--notebook-dir={root}"]
    # as `run_all.sh lab`, without anybody's own settings and open files
    env = {"JUPYTER_CONFIG_PATH": str(project.SOURCE / "jupyter"), "JUPYTER_CONFIG_DIR": str(root / ".jupyter")}
    env[project.VARIABLE] = str(root)  # another test may have run the command, for the checkout
    with (root / "lab.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=root, env={**os.environ, **env})
    address = f"http://localhost:{port}"
    try:
        for _ in range(1500):
            try:
                urllib.request.urlopen(f"{address}/api/status", timeout=10).close()
                break
            except OSError:
                assert server.poll() is None, (root / "lab.log").read_text()
                time.sleep(0.2)
        yield address, root
    finally:
        server.terminate()
        server.wait(300)


def start(page, address):
    """Load Lab, with nothing open."""
    page.goto(f"{address}/lab?reset")
    page.wait_for_function("window.jupyterapp")
    page.evaluate("jupyterapp.restored.then(() => null)")


def run_all(page, name):
    """Open a notebook of the project in Lab's page, run all its cells, and wait until they have run."""
    page.evaluate("path => void jupyterapp.commands.execute('docmanager:open', {path})", f"notebooks/{name}.ipynb")
    ready = f"{OPEN}?.context?.path.endsWith('/{name}.ipynb') && {KERNEL}?.status === 'idle'"
    page.wait_for_function(f"{ready} && {OPEN}.content.widgets.length")
    page.evaluate("""() => {
      window.ran = undefined;
      jupyterapp.commands.execute('notebook:run-all-cells').then(well => { window.ran = well; });
    }""")
    page.wait_for_function(f"window.ran !== undefined && {KERNEL}.status === 'idle'", timeout=300_000)


def save(page):
    """Save the notebook that is open."""
    page.evaluate("jupyterapp.commands.execute('docmanager:save')")


def leave(page):
    """End the kernel of the notebook that is open, and close it."""
    page.evaluate(f"""async () => {{
      const open = {OPEN};
      await open.context.sessionContext.shutdown();
      open.close();
    }}""")


def python(page, code):
    """Run code in the kernel of the notebook that is open."""
    page.evaluate(f"code => {KERNEL}.requestExecute({{code}}).done", code)


def pixels(page, what="picture"):
    """What a canvas of the explorer or turntable shows, (size, size) uint8 of 0 and 1."""
    text = page.locator(f"[data-ofdb={what}]").evaluate(PIXELS)
    return (np.frombuffer(text.encode(), np.uint8) - ord("0")).reshape(round(len(text) ** 0.5), -1)


def drawn(page):
    """Wait until the page has drawn what it was asked for, in its next frame."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")


def drag(page, handle, right, down, steps=12):
    """Drag a handle by so many pixels."""
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right, y + down, steps=steps)
    page.mouse.up()
    drawn(page)
