"""Pages as a browser lays them out: nothing reaches over the edge of a phone, and dark is dark."""

import re
import shutil
import subprocess

import pytest

from runtree.reports.render import write_sweep_report

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="chromium is not installed: apt-get install chromium"),
]

MEASURE = """<body style="margin:0"><iframe id="page" src="{page}" style="border:0;width:{width}px;height:900px"></iframe>
<pre id="found"></pre><script>
page.onload = () => {{
  const inner = page.contentDocument, root = inner.documentElement, style = page.contentWindow.getComputedStyle(inner.body);
  const beyond = [...inner.querySelectorAll("body *")].filter(one => one.getBoundingClientRect().right > {width} + 1
    && !one.closest(".wide, .canvas, pre, details, .skip"));
  found.textContent = JSON.stringify([root.scrollWidth, beyond.map(one => one.tagName + "." + one.className), style.color, style.backgroundColor]);
}};
</script>"""


def browse(folder, *words: str) -> str:
    """Return the page that a browser without a window has made, its scripts run."""
    command = [
        BROWSER,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--allow-file-access-from-files",
    ]
    command += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def measured(page, folder, width: int, dark: bool) -> list:
    import html
    import json

    around = folder / f"around-{width}-{dark}.html"
    around.write_text(MEASURE.format(page=page.resolve().as_uri(), width=width))
    made = browse(
        folder,
        f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        "--dump-dom",
        f"--window-size=1400,{width}",
        around.as_uri(),
    )
    told = re.search(r'<pre id="found">(.+?)</pre>', made)
    assert told, made[-500:]
    return json.loads(html.unescape(told[1]))


@pytest.mark.parametrize("width", [360, 390, 1280])
@pytest.mark.parametrize("kind", ["run", "sweep"])
def test_nothing_reaches_over_the_edge(whole, write_sweep, folder, kind, width):
    page = whole if kind == "run" else write_sweep_report(write_sweep())
    reach, beyond, *_ = measured(page, folder, width, dark=False)
    assert beyond == []
    assert reach <= width


def test_dark_is_dark_and_light_is_light(whole, folder):
    light, dark = (measured(whole, folder, 390, dark)[2:] for dark in (False, True))
    assert light == ["rgb(27, 31, 36)", "rgb(255, 255, 255)"]
    assert dark == ["rgb(232, 234, 237)", "rgb(20, 23, 28)"]


@pytest.mark.parametrize("scheme", [0, 1])
def test_a_screenshot_is_no_blank_page(whole, folder, scheme):
    from matplotlib.image import imread

    shot = folder / "shot.png"
    browse(
        folder,
        f"--screenshot={shot}",
        "--window-size=1280,2000",
        f"--blink-settings=preferredColorScheme={scheme}",
        whole.resolve().as_uri(),
    )
    seen = imread(shot)[..., :3]
    assert (seen.std(axis=(0, 1)) > 0.02).all()
    assert len({tuple(pixel) for pixel in (seen[::7, ::7].reshape(-1, 3) * 255).astype(int).tolist()}) > 20
