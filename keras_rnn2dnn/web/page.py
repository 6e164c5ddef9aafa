"""One HTML file that hears as a board does."""

import base64
import hashlib
import html
import json
import string
from pathlib import Path

from keras_rnn2dnn.deploy.loading import load_bundle
from keras_rnn2dnn.util.files import new_file
from keras_rnn2dnn.web.compiler import compiled
from keras_rnn2dnn.web.contents import check_recognizer, contents, title
from keras_rnn2dnn.web.modules import inlined

_PAGE = Path(__file__).with_name("page")
PLACE = "web/index.html"  # in a bundle, whose own files are others


def write_page(bundle: str | Path, out: str | Path | None = None) -> Path:
    """Writes a page that runs the C code of a bundle in a browser.

    All is inside: it works offline, and its Content-Security-Policy forbids every
    connection.

    Args:
        bundle: directory of `convert`.
        out: the file; default: `web/index.html` in the bundle, where it is none of the
            files that the report lists, and no build takes it.

    Returns:
        The file.

    Raises:
        FileNotFoundError: if there is no bundle.
        ValueError: if it is damaged, or has no C code from PCM to words.
        ImportError: if there is no compiler; holds the pip line.
        RuntimeError: if it does not compile.
    """
    loaded = load_bundle(bundle)
    check_recognizer(loaded)
    wasm = compiled(loaded.directory, loaded.prefix)
    data = {**contents(loaded, wasm), "worklet": inlined(_PAGE / "worklet.js")}
    path = loaded.directory / PLACE if out is None else Path(out)
    with new_file(path) as temporary:
        temporary.write_text(_html(title(loaded), data), "utf-8")
    return path


def _html(title, data):
    """Returns the page; nothing in its data ends the element that holds it."""
    style = (_PAGE / "style.css").read_text("utf-8")
    script = inlined(_PAGE / "main.js")
    template = string.Template((_PAGE / "index.html").read_text("utf-8"))
    return template.substitute(
        title=html.escape(title),
        policy=policy(style, script),
        style=style,
        script=script,
        data=json.dumps(data).replace("<", "\\u003c"),
    )


def policy(style: str, script: str) -> str:
    """Returns the Content-Security-Policy: this style, this script, no connection.

    The microphone's worklet is an address of data; blobs are what the player plays.
    """
    rules = {
        "default-src": "'none'",
        "script-src": f"'{_hash(script)}' 'wasm-unsafe-eval' data:",
        "style-src": f"'{_hash(style)}'",
        "img-src": "data:",
        "media-src": "blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _hash(text):
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
