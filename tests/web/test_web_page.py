"""The page as it is written: what is in it, where it lies, and when there is none."""

import base64
import hashlib
import re
import shutil
import threading
import urllib.error
import urllib.request

import pytest
from helpers.bundles import features, student

from keras_rnn2dnn.deploy import convert, load_bundle
from keras_rnn2dnn.web import compiler, contents, page, server, write_page

needs_compiler = pytest.mark.skipif(
    not compiler.is_installed(),
    reason="needs the extra `web`, or clang and wasm-ld: apt install clang lld",
)


def test_it_lies_in_the_bundle_which_stays_whole(word_loop, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "compiled", lambda *arguments: b"code")
    bundle = shutil.copytree(word_loop, tmp_path / "bundle")
    assert write_page(bundle) == bundle / "web" / "index.html"
    assert load_bundle(bundle).recognizer is not None
    other = write_page(str(bundle), tmp_path / "other" / "page.html")
    assert other.read_bytes() == (bundle / "web" / "index.html").read_bytes()


@needs_compiler
@pytest.mark.parametrize("kind", ["word_loop", "labels"])
def test_all_is_inside_and_the_policy_knows_it(pages, kind):
    text = pages[kind].read_text()
    rules = dict(
        rule.split(" ", 1)
        for rule in re.search(r'Policy" content="([^"]*)"', text)[1].split("; ")
    )
    assert rules["default-src"] == "'none'" and "connect-src" not in rules
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        found = re.findall(rf"<{tag}(?: type=\"module\")?>(.*?)</{tag}>", text, re.S)
        digest = hashlib.sha256(found[0].encode()).digest()
        assert len(found) == 1
        assert rules[rule].split()[0] == f"'sha256-{base64.b64encode(digest).decode()}'"
    assert "unsafe-inline" not in text and "'unsafe-eval'" not in text
    assert not re.search(r"https?://|\b(?:src|href)=\"(?!data:,)", text)
    assert text.count("</script>") == 2


def test_states_of_a_word_share_a_row(word_loop, spotter, labels):
    found = [
        contents.contents(load_bundle(b), b"") for b in (word_loop, spotter, labels)
    ]
    rows = [(each["rows"], each["rowOf"]) for each in found]
    assert rows[0] == (["up", "down", "silence"], [0, 0, 1, 1, 2])
    assert rows[1] == (["low", "high", "other", "silence"], [0, 1, 2, 3])
    assert rows[2][0] == ["(blank)", "</script>", "البيت", "NETWORK_INPUTS", "(space)"]
    slider = {"lowest": -5.0, "highest": 17.0, "step": 0.1, "own": -(2**31)}
    assert found[1]["threshold"] == slider
    assert found[0]["threshold"]["step"] == 0.1
    titles = [contents.title(load_bundle(b)) for b in (word_loop, spotter)]
    assert titles == ["It hears up, down", "It hears low, high"]
    names = [recording["name"] for recording in found[1]["recordings"]]
    assert names[0].startswith("Recording 1 (6.6 s): low")
    assert names[-1] == "Test signal 8 (0.0 s): no word"


def test_no_compiler_is_one_line_with_the_extra(word_loop, run, monkeypatch):
    monkeypatch.setattr(compiler, "compiler_line", lambda: None)
    code, said, error = run("web", word_loop)
    assert (code, said) == (2, "") and error.count("\n") == 1
    assert error.endswith(
        "Compiling a bundle to WebAssembly needs the package `ziglang`, or clang and "
        "wasm-ld. Install it with: pip install ziglang; or, on Debian: apt install "
        "clang lld\n"
    )


def test_clang_alone_is_no_compiler(monkeypatch):
    monkeypatch.setattr(compiler.importlib.util, "find_spec", lambda name: name)
    assert compiler.compiler_line()[1:4] == ["-m", "ziglang", "cc"]
    monkeypatch.setattr(compiler.importlib.util, "find_spec", lambda name: None)
    there = {"clang": "/bin/clang", "wasm-ld": "/bin/wasm-ld"}
    monkeypatch.setattr(compiler.shutil, "which", there.get)
    assert compiler.compiler_line() == [
        *("/bin/clang", "--target=wasm32", "-fuse-ld=/bin/wasm-ld")
    ]
    del there["wasm-ld"]
    assert compiler.compiler_line() is None and not compiler.is_installed()


@needs_compiler
def test_what_the_compiler_says_is_told(word_loop, tmp_path):
    bundle = shutil.copytree(word_loop, tmp_path / "bundle")
    (bundle / "c" / "recognizer.h").write_text("#error no header\n")
    with pytest.raises(
        RuntimeError, match="does not compile to WebAssembly: (.|\n)*no h"
    ):
        compiler.compiled(bundle)


def test_where_there_is_no_recognizer_there_is_no_page(tmp_path, run):
    bundle = tmp_path / "bundle"
    convert(student(), bundle, features())
    code, _, error = run("web", bundle)
    assert code == 2 and error.count("\n") == 1
    assert "Expected a bundle with C code from PCM to words. Received: bundle=" in error
    assert "they need a FeatureSpec as `feature_spec`" in error
    code, _, error = run("web", tmp_path / "none")
    assert code == 2 and "No bundle in" in error


@needs_compiler
def test_the_command_says_how_to_open_it(word_loop, tmp_path, run):
    out = tmp_path / "a page.html"
    code, said, error = run("web", word_loop, "--out", out)
    size = out.stat().st_size
    assert (code, error) == (0, "")
    assert said.splitlines()[:3] == [
        f"Page: {out}, {size:,} bytes, all inside",
        f"Open it in a browser: {out.as_uri()}",
        "Where that gets no microphone:",
    ]
    assert said.splitlines()[3].endswith(f" web {word_loop} --serve")


def test_it_is_served_until_it_is_interrupted(word_loop, tmp_path, run, monkeypatch):
    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(page, "compiled", lambda *arguments: b"code")
    monkeypatch.setattr(server.ThreadingHTTPServer, "serve_forever", interrupted)
    out = tmp_path / "page.html"
    code, said, error = run("web", word_loop, "--out", out, "--serve", "--port", 0)
    assert (code, error) == (0, "") and out.is_file()
    assert re.search(
        r"Open it in a browser: http://localhost:\d+/\nUntil Ctrl-C\n$", said
    )


def test_it_is_served_to_this_machine(tmp_path):
    path = tmp_path / "index.html"
    path.write_text("<p>here</p>")
    with server.listening(path, 0) as served:
        thread = threading.Thread(target=served.serve_forever, args=(0.01,))
        thread.start()
        host, port = served.server_address[:2]
        assert host == "127.0.0.1"
        with urllib.request.urlopen(f"http://localhost:{port}/#verify") as answer:
            assert answer.read() == b"<p>here</p>"
            assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        with pytest.raises(urllib.error.HTTPError, match="404") as refused:
            urllib.request.urlopen(f"http://localhost:{port}/other")
        refused.value.close()
        with pytest.raises(ValueError, match="Expected a port that is free, or 0"):
            server.listening(path, port)
        served.shutdown()
        thread.join()
    with pytest.raises(ValueError, match="Received: port=70000"):
        server.listening(path, 70_000)
