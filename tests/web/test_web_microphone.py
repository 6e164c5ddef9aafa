"""The page that listens: devices of other rates, hidden tabs, and a long stream."""

import json
import re

import numpy as np
import pytest
from helpers import chromium, spotters, tabs

from keras_rnn2dnn import Recognizer
from keras_rnn2dnn.web import modules, page

pytestmark = [*chromium.NEEDED]
RATE = 44_100
FRAME_S = 0.06  # of the spotter: its times are rounded to that
ALIASED_HZ = 7600  # every 8000th of a second it looks like the low tone
LISTENING = "#status:text-matches('^Listening: ')"
# The page's context, at the rate of a device.
DEVICE = """
  const Plain = AudioContext;
  AudioContext = class extends Plain {
    constructor() { super(%s); window.context = this; }
  };
"""
# Keeps the memory of the C code, and the node of the microphone.
WATCHED = """
  window.memories = [];
  const PlainInstance = WebAssembly.Instance;
  WebAssembly.Instance = class extends PlainInstance {
    constructor(...given) { super(...given); memories.push(this.exports.memory); }
  };
  const PlainNode = AudioWorkletNode;
  AudioWorkletNode = class extends PlainNode {
    constructor(...given) { super(...given); window.node = this; }
  };
"""
# Runs the worklet's module here, as fast as it goes, in place of the microphone.
FED = """([samples, rate]) => {
  const heard = node.port.onmessage;
  node.port.onmessage = null;
  const sampleRate = rate;
  class AudioWorkletProcessor {
    port = { postMessage: (data) => heard({ data }) };
  }
  let Processor;
  const registerProcessor = (name, type) => { Processor = type; };
  %s
  const processor = new Processor({ processorOptions: { rate: 8000 } });
  const all = Float32Array.from(samples, (x) => x / 32768);
  let at = 0;
  window.feed = async (seconds) => {
    for (let left = seconds * rate; left > 0; left -= 128) {
      const part = all.subarray(at, at + 128);
      processor.process([[part]]);
      at = (at + part.length) %% all.length;
      if (left %% 44032 < 128) await new Promise(requestAnimationFrame);
    }
  };
}"""
# Timers take a second each, as they do some time after a tab was hidden.
THROTTLED = """(async () => {
  const since = performance.now();
  for (let k = 0; k < 12; k++) await new Promise(done => setTimeout(done));
  return performance.now() - since > 3000;
})()"""
VERIFIED = """(async () => {
  const since = performance.now();
  document.getElementById("verify").click();
  const { dataset } = document.getElementById("verdict");
  const { port1, port2 } = new MessageChannel();
  while (!dataset.different)
    await new Promise(done => {
      port1.onmessage = done;
      port2.postMessage(null);
    });
  return performance.now() - since;
})()"""
SEEN = """[...document.querySelectorAll('canvas')].map(c => c.toDataURL()).join()"""
WORDS = """[...document.querySelectorAll('#words b')].map(b => b.textContent)"""


def at_rate(pcm, rate):
    """Samples of 8 kHz at a higher rate, by their spectrum: nothing is lost."""
    spectrum = np.fft.rfft(pcm)
    return np.fft.irfft(spectrum, len(pcm) * rate // 8000) * rate / 8000


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_a_device_of_any_rate_is_heard_as_python_hears(shown, said, spotter, rate):
    low, high, _, silence = spotters.tones(4, seed=9)
    parts = [silence, low, silence, silence, silence, silence, high, silence, silence]
    pcm = np.concatenate(parts)
    heard = Recognizer.load(spotter).transcribe(pcm).words
    assert [word.text for word in heard] == ["low", "high"]
    loud = at_rate(pcm, rate)
    part = slice(3 * len(loud) // 9, 4 * len(loud) // 9)
    hidden = np.sin(2 * np.pi * ALIASED_HZ * np.arange(len(loud)) / rate)
    loud[part] += 3000 * hidden[part]
    spotters.save(said, np.round(loud), rate)

    before = DEVICE % f"{{ sampleRate: {rate} }}"
    opened = shown(before=before, permissions=["microphone"])
    opened.click("#microphone")
    opened.wait_for_selector("#words li:nth-child(2)", timeout=30_000)
    opened.click("#microphone")
    assert opened.evaluate(WORDS) == ["low", "high"]
    times = opened.locator("#words span:not([title])").all_inner_texts()
    told = np.array([re.findall(r"[\d.]+", time) for time in times], float)
    expected = np.array([[word.start_ms, word.end_ms] for word in heard]) / 1000
    late = told - expected  # as the file began late, or early: by parts of a frame
    assert np.ptp(late) < FRAME_S + 0.01 and np.abs(late).max() < 0.5
    assert opened.complaints == []


def test_audio_that_the_browser_pauses_goes_on(shown):
    opened = shown(before=DEVICE % "", permissions=["microphone"])
    opened.click("#microphone")
    opened.wait_for_selector(LISTENING)
    opened.evaluate("context.suspend()")
    opened.wait_for_selector("#status.problem")
    assert opened.inner_text("#status") == (
        "The browser holds the audio back. Stop it, and try again."
    )
    opened.evaluate("document.dispatchEvent(new Event('visibilitychange')) && null")
    opened.wait_for_selector(LISTENING)
    assert opened.get_attribute("#status", "class") == ""


def test_a_tab_in_the_background_goes_on(browser, spotter_page, said):
    low, high, _, silence = spotters.tones(4, seed=9)
    parts = [silence, silence, low, silence, silence, high, silence, silence]
    spotters.save(said, np.concatenate(parts))
    addresses = [spotter_page.as_uri(), "about:blank"]
    with tabs.opened(browser, *addresses) as (tab, other):
        tab.wait("document.getElementById('recording')?.length")
        tab.to_front()
        tab.wait("!document.hidden")
        tab.run("document.getElementById('microphone').click()")
        tab.wait(
            "document.getElementById('status').textContent.startsWith('Listening')"
        )
        other.to_front()
        tab.wait("document.hidden")
        before, count = tab.run(SEEN), len(tab.run(WORDS))
        tab.wait(f"{WORDS}.length > {count + 1}")
        assert tab.run("document.hidden") and tab.run(SEEN) == before
        tab.to_front()
        tab.wait(f"{SEEN}.length && !document.hidden")
        tab.wait(f"{SEEN} !== {json.dumps(before)}")
        words = tab.run(WORDS)
    assert len(words) > 1 and words == (["low", "high"] * len(words))[: len(words)]


@pytest.mark.slow
def test_a_hidden_tab_waits_for_no_timers(browser, spotter_page):
    with tabs.opened(browser, spotter_page.as_uri(), "about:blank") as (tab, _):
        tab.wait("document.hidden")
        tab.wait(THROTTLED)
        assert (
            tab.run(VERIFIED) < 2000
        )  # by timers a second for most of nine recordings


@pytest.mark.slow
def test_ten_minutes_of_stream_do_not_grow(shown):
    low, high, _, silence = spotters.tones(4, seed=9)
    pcm = np.concatenate([low, silence, high, silence])
    loud = np.round(at_rate(pcm, RATE)).astype(int).tolist()
    opened = shown(before=WATCHED, permissions=["microphone"])
    opened.click("#microphone")
    opened.wait_for_selector(LISTENING)
    worklet = modules.inlined(page._PAGE / "worklet.js")
    opened.evaluate(FED % worklet, [loud, RATE])
    session = opened.context.new_cdp_session(opened)
    session.send("Performance.enable")
    opened.evaluate("feed(240)")  # the list of words is full after 200 s
    held = [used(opened, session)]
    for _ in range(2):
        opened.evaluate("feed(180)")
        held.append(used(opened, session))
    assert opened.locator("#words li").count() == 200
    last = opened.inner_text("#words li:last-child span:not([title])")
    assert float(re.match(r"[\d.]+", last)[0]) > 597
    # What leaks grows in each part; code that V8 optimises late comes once.
    grown = np.diff([one["bytes"] for one in held])
    assert min(grown) < 50_000 and max(grown) < 500_000
    assert len({str({**one, "bytes": 0}) for one in held}) == 1
    assert opened.complaints == []


def used(opened, session):
    """Returns bytes and numbers of what a page holds, without its garbage."""
    for _ in range(2):
        session.send("HeapProfiler.collectGarbage")
    heap = session.send("Runtime.getHeapUsage")
    metrics = session.send("Performance.getMetrics")["metrics"]
    numbers = {each["name"]: each["value"] for each in metrics}
    kinds = ("usedSize", "embedderHeapUsedSize", "backingStorageSize")
    return {
        "bytes": sum(heap[kind] for kind in kinds),
        "nodes": numbers["Nodes"],
        "listeners": numbers["JSEventListeners"],
        "code": opened.evaluate("memories.map(memory => memory.buffer.byteLength)"),
    }
