"""The Chromium that is installed already: nothing is downloaded."""

import contextlib
import importlib.util
import shutil
from collections.abc import Iterator

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NEEDED = (
    pytest.mark.skipif(
        importlib.util.find_spec("playwright") is None,
        reason="needs the extra `browser`: pip install 'keras-rnn2dnn[browser]'",
    ),
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt install chromium"),
)
# What Playwright asks for, and no user: that hidden tabs are as fast as others.
UNTHROTTLED = (
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
)
# Relative luminance and contrast of text and what lies behind it, as WCAG 2.1 defines
# them; of the letters on the page, SVG among them, whose ground is white.
CONTRASTS = """() => {
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const luminance = colour => {
    const [r, g, b] = numbers(colour).map(v => {
      v /= 255;
      return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = node => {
    for (; node; node = node.parentElement) {
      const colour = getComputedStyle(node).backgroundColor;
      if ((numbers(colour)[3] ?? 1) > 0) return luminance(colour);
    }
    return 1;
  };
  return [...document.querySelectorAll('body *')].flatMap(node => {
    const said = [...node.childNodes].some(c => c.nodeType === 3 && c.data.trim());
    if (!said || ['STYLE', 'SCRIPT', 'title'].includes(node.tagName)) return [];
    const style = getComputedStyle(node);
    const ink = luminance(node instanceof SVGElement ? style.fill : style.color);
    const paper = node instanceof SVGElement ? 1 : ground(node);
    return [(Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05)];
  });
}"""


@contextlib.contextmanager
def launched(*options: str) -> Iterator:
    """A headless browser; options are those of the command line."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Chromium's sandbox does not run as root, as which containers test.
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", *options],
            ignore_default_args=list(UNTHROTTLED),
        )
        yield browser
        browser.close()


def listened(page):
    """Keeps what the browser complains of and asks for, of a page; returns the page."""
    page.complaints, page.asked = [], []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("request", lambda asked: page.asked.append(asked.url))
    return page
