"""The page as Chromium runs it: the bundle's C code, hearing what it is given."""

import base64
import gzip
import re

import numpy as np
import pytest
from helpers import chromium, spotters

from keras_rnn2dnn import Recognizer
from keras_rnn2dnn.web import modules, page

pytestmark = [*chromium.NEEDED]
KINDS = ("word_loop", "spotter", "labels")
VERDICT = "#verdict[data-different]"
RESAMPLED = """([from, to, hz, count]) => {
  %s
  const { Resampler, resampled } = resampler_js;
  const input = Float32Array.from({ length: count }, (_, k) =>
    Math.sin(2 * Math.PI * hz * k / from));
  const whole = resampled(input, from, to);
  const stream = new Resampler(from, to);
  const pieces = [];
  for (let at = 0; at < count; at += 441)
    pieces.push(...stream.push(input.subarray(at, at + 441)));
  pieces.push(...stream.flush());
  const same = whole.every((x, k) => x === pieces[k]);
  return { samples: [...whole], same };
}"""


def words_of(shown):
    return shown.locator("#words b").all_inner_texts()


@pytest.mark.parametrize("kind", [*KINDS, "earlier"])
def test_the_golden_recordings_are_met_to_the_bit(shown, pages, kind, request):
    opened = shown(kind, "#verify")
    opened.wait_for_selector(VERDICT)
    golden = request.getfixturevalue(kind) / "golden"
    bits = {
        name: 8 * (golden / name).stat().st_size for name in ("words.u32", "logits.s8")
    }
    assert opened.inner_text("#verdict").startswith(
        f"0 bits differ: 0 of {bits['words.u32']:,} of the words with times and "
        f"confidences, 0 of {bits['logits.s8']:,} of the logits, in "
    )
    assert opened.get_attribute("#verdict", "data-different") == "0"
    assert opened.complaints == [] and opened.asked == [pages[kind].as_uri()]


def test_every_bit_that_differs_is_counted(browser, pages, spotter, tmp_path):
    text = pages["spotter"].read_text()
    for name, found in (("words.u32", 3), ("logits.s8", 8)):
        content = bytearray((spotter / "golden" / name).read_bytes())
        packed = base64.b64encode(gzip.compress(bytes(content), mtime=0)).decode()
        assert packed in text
        content[40] ^= 2**found - 1
        other = base64.b64encode(gzip.compress(bytes(content))).decode()
        text = text.replace(packed, other)
    (tmp_path / "other.html").write_text(text)
    opened = browser.new_page()
    opened.goto((tmp_path / "other.html").as_uri() + "#verify")
    opened.wait_for_selector(VERDICT)
    assert re.match(
        r"11 bits differ: 3 of [\d,]+ of the words .* 8 of [\d,]+ of the logits",
        opened.inner_text("#verdict"),
    )
    assert opened.get_attribute("#verdict", "class") == "problem"
    opened.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_recording_is_heard_as_the_bundle_says(shown, kind, request):
    opened = shown(kind)
    opened.click("#play")
    opened.wait_for_selector("#status:not(:empty)")
    folder = request.getfixturevalue(kind)
    texts = (folder / "golden" / "words.txt").read_text().splitlines()
    expected = texts[8]  # after the test signals
    assert words_of(opened) and " ".join(words_of(opened)) == expected
    assert opened.is_visible("#player") and opened.complaints == []


def test_a_file_is_heard_as_python_hears_it(shown, spotter, tmp_path):
    path = tmp_path / "tones.wav"
    spotters.save(path, spotters.stream(seed=9), 8000)
    heard = Recognizer.load(spotter).transcribe(path)
    opened = shown()
    opened.set_input_files("#file", path)
    opened.wait_for_selector("#status:not(:empty)")
    assert opened.inner_text("#status") == f"Heard 6.6 s: {len(heard.words)} words."
    assert opened.inner_text("#advice") == "good"
    assert words_of(opened) == [word.text for word in heard.words]
    assert {*words_of(opened)} == {"low", "high"}
    confidences = opened.locator("#words span[title=confidence]").all_inner_texts()
    assert confidences == [f"{word.confidence:.2f}" for word in heard.words]
    opened.set_input_files("#file", __file__)
    opened.wait_for_selector("#status.problem")
    said = opened.inner_text("#status")
    assert said.startswith("test_web_browser.py cannot be read as audio: ")


def test_the_threshold_acts_at_once(shown):
    opened = shown()
    opened.click("#play")
    opened.wait_for_selector("#words li:nth-child(2)")
    assert opened.inner_text("#least") == "all words"
    opened.fill("#threshold", opened.get_attribute("#threshold", "max"))
    opened.wait_for_selector("#words:empty", state="attached")
    assert opened.inner_text("#least").startswith("at least ")
    opened.click("#reset")
    opened.wait_for_selector("#words li:nth-child(2)")
    assert opened.inner_text("#least") == "all words"


def test_nothing_can_be_sent(shown):
    opened = shown()
    refused = opened.evaluate("""async () => {
      const refused = [];
      document.onsecuritypolicyviolation = e => refused.push(e.effectiveDirective);
      await fetch("http://localhost:9/").catch(() => 0);
      await new Promise(done => {
        const image = new Image();
        image.onerror = done;
        image.src = "http://localhost:9/";
      });
      const script = document.createElement("script");
      script.textContent = "window.ran = true";
      document.body.append(script);
      await new Promise(done => setTimeout(done));
      return [...refused, String(window.ran)];
    }""")
    assert refused == ["connect-src", "img-src", "script-src-elem", "undefined"]


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read(shown, width, scheme):
    size = {"width": width, "height": 900}
    opened = shown("word_loop", viewport=size, color_scheme=scheme)
    opened.click("#play")
    opened.wait_for_selector("#status:not(:empty)")
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    assert min(opened.evaluate(chromium.CONTRASTS)) >= 4.5
    drawn = opened.evaluate("""[...document.querySelectorAll('canvas')].map(c =>
      new Set(new Uint32Array(c.getContext('2d').getImageData(
        0, 0, c.width, c.height).data.buffer)).size)""")
    assert len(drawn) == 3 and min(drawn) > 5


def test_what_there_is_not_takes_no_room(shown):
    opened = shown()
    assert opened.is_visible("#reported") and not opened.is_visible("#features")
    opened.click("#play")
    opened.wait_for_selector("#features")
    assert not shown("earlier").is_visible("#reported")  # which has no confidences


def test_the_keyboard_reaches_everything(shown):
    opened = shown()
    reached = []
    for _ in range(9):
        opened.keyboard.press("Tab")
        reached.append(opened.evaluate("document.activeElement.id"))
    assert reached == [
        *("microphone", "file", "recording", "play", "levelled"),
        *("threshold", "reset", "words", "verify"),
    ]
    opened.focus("#play")
    opened.keyboard.press("Enter")
    opened.wait_for_selector("#words li:nth-child(2)")


def test_a_refused_microphone_is_told(shown):
    opened = shown()
    opened.click("#microphone")
    opened.wait_for_selector("#status.problem")
    assert opened.inner_text("#status") == (
        "The browser refused the microphone. Allow it for this page, in the address "
        "bar or the browser's settings, and try again."
    )
    assert opened.inner_text("#microphone") == "Microphone"


def test_words_come_from_a_microphone(shown):
    opened = shown(permissions=["microphone"])
    opened.fill("#threshold", "4")
    opened.click("#microphone")
    for word in ("low", "high"):
        opened.wait_for_selector(f"#words b:text-is('{word}')", timeout=20_000)
    told = opened.inner_text("#status")
    assert re.fullmatch(r"Listening: [\d,]+ Hz, resampled to 8,000 Hz\.", told)
    assert opened.inner_text("#advice") in ("good", "listening")
    assert "ms per second of audio" in opened.inner_text("#cost")
    confidences = opened.locator("#words span[title=confidence]").all_inner_texts()
    assert all(4 <= float(each) < 20 for each in confidences)
    opened.fill("#threshold", "17")  # at once, also of what was heard before
    opened.wait_for_selector("#words li.below")
    opened.click("#microphone")
    opened.wait_for_selector("#microphone[aria-pressed=false]")
    assert opened.inner_text("#microphone") == "Microphone"
    assert opened.complaints == []


@pytest.mark.parametrize("rate", [44_100, 48_000, 16_000])
def test_a_low_pass_goes_before_fewer_samples(browser, rate):
    script = RESAMPLED % modules.inlined(page._PAGE / "resampler.js")
    opened = browser.new_page()
    t = np.arange(1600) / 8000
    for hz, lost in ((1000, False), (3500, False), (4300, True), (7600, True)):
        found = opened.evaluate(script, [rate, 8000, hz, rate // 5])
        assert found["same"] and len(found["samples"]) == 1600
        expected = 0 if lost else np.sin(2 * np.pi * hz * t)
        error = np.abs(np.array(found["samples"]) - expected)[100:-100]
        assert error.max() < 1e-3, hz
    opened.close()
