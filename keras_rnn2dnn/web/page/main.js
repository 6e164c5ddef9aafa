// The page: what its buttons do, and what it shows.
import { fromBase64, int16, unpacked, wav } from "./bytes.js";
import { Firmware } from "./firmware.js";
import { recordingsOf, verified } from "./golden.js";
import { Columns, Waveform, posteriorRows } from "./history.js";
import { Level } from "./level.js";
import { drawFeatures, drawPosteriors, drawWave } from "./picture.js";
import { decoded, microphone, refusal } from "./sources.js";
import { Threshold } from "./threshold.js";
import { Words } from "./words.js";

const KEPT_S = 20; // in the picture of a recording
const LIVE_S = 6;
const LEAST_S = 2;
const SLICE_S = 0.1;
const BUSY_MS = 30; // between two looks at the window

const $ = (id) => document.getElementById(id);
const number = (value) => value.toLocaleString("en");

/** Lets the browser do other things; timers wait for a second in a hidden tab. */
function pause() {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resume) => {
    port1.onmessage = () => resume(port1.close());
    port2.postMessage(null);
  });
}

class Page {
  constructor(module, data, recordings) {
    Object.assign(this, { module, data, recordings });
    const kept = Math.ceil((KEPT_S * 1000) / data.frameMs);
    this.wave = new Waveform(data.frameSamples, kept);
    this.features = new Columns(data.features, kept);
    this.posteriors = new Columns(data.rows.length, kept);
    this.level = new Level();
    this.words = new Words($("words"), $("none"), data.threshold !== null);
    this.firmware = new Firmware(module, this.#listener(), data);
    this.run = 0; // number of what is heard: a new one ends the one before
    this.live = null;
    this.last = null; // the recording that was heard last
    this.#buttons();
    this.#facts();
    this.draw();
  }

  #listener() {
    return {
      word: (word) => {
        this.words.add({ ...word, from: word.start / this.data.frameMs });
        this.words.mark(this.threshold?.value ?? -Infinity);
      },
      utterance: () => this.words.endUtterance(),
      frame: (logits, features) => {
        const rows = posteriorRows(logits, this.data);
        this.posteriors.push((row) => rows[row]);
        const last = this.data.features - 1; // the lowest frequency at the bottom
        if (features) this.features.push((row) => features[last - row] + 128);
      },
    };
  }

  #buttons() {
    $("microphone").onclick = () => (this.live ? this.stop() : this.listen());
    $("file").onchange = ({ target }) => {
      this.open(target.files[0]);
      target.value = ""; // the same file may be chosen again
    };
    document.ondragover = (event) => event.preventDefault();
    document.ondrop = (event) => {
      event.preventDefault();
      this.open(event.dataTransfer.files[0]);
    };
    this.recordings.forEach(({ name }, k) => $("recording").add(new Option(name, k)));
    $("play").onclick = () => this.hear(this.recordings[$("recording").value].pcm);
    $("verify").onclick = () => this.verify();
    $("reported").hidden = this.data.threshold === null;
    const parts = { slider: $("threshold"), output: $("least"), reset: $("reset") };
    if (this.data.threshold)
      this.threshold = new Threshold(parts, this.data.threshold, (value) => {
        this.firmware.threshold = value;
        if (this.last && !this.live) this.hear(this.last, false);
        else this.words.mark(value);
      });
    window.onresize = () => this.draw();
    document.onvisibilitychange = () => {
      this.draw();
      if (!document.hidden) this.live?.resume();
    };
    matchMedia("(prefers-color-scheme: dark)").onchange = () => this.draw();
  }

  #reset(isStream) {
    this.firmware.start();
    this.firmware.milliseconds = 0;
    if (this.threshold) this.firmware.threshold = this.threshold.value;
    for (const part of [this.wave, this.features, this.posteriors, this.words])
      part.reset();
    this.level.reset(isStream);
    this.samples = 0;
    return ++this.run;
  }

  #push(pcm, peak) {
    this.firmware.push(pcm);
    this.wave.push(pcm);
    this.samples += pcm.length;
    this.level.push(peak, pcm.length / this.data.rate);
  }

  /** Listens to the microphone until `stop`. */
  async listen() {
    const run = this.#reset(true);
    say("");
    $("microphone").disabled = true;
    try {
      const { worklet, rate } = this.data;
      const heard = ({ samples, peak }) => {
        if (this.run === run) this.#push(int16(samples), peak);
      };
      const lost = () => this.run === run && this.stop("The microphone is gone.");
      const changed = () => this.run === run && this.#tellLive();
      const told = { heard, lost, changed };
      this.last = null;
      this.#play(null);
      this.draw();
      const live = await microphone(worklet, rate, $("levelled").checked, told);
      if (this.run !== run) return await live.stop(); // a recording came between
      this.live = live;
      this.#tellLive();
      this.#follow();
    } catch (error) {
      say(refusal(error), true);
    } finally {
      this.#pressed();
    }
  }

  /** Gives the microphone back. */
  async stop(why = "") {
    if (!this.live) return;
    const { stop } = this.live;
    this.live = null;
    this.run++;
    this.firmware.finish();
    this.#pressed();
    this.draw();
    say(why);
    await stop();
  }

  #tellLive() {
    const [from, to] = [this.live.rate, this.data.rate].map(number);
    if (this.live.running) say(`Listening: ${from} Hz, resampled to ${to} Hz.`);
    else say("The browser holds the audio back. Stop it, and try again.", true);
  }

  #pressed() {
    const button = $("microphone");
    button.disabled = false;
    button.textContent = this.live ? "Stop" : "Microphone";
    button.setAttribute("aria-pressed", String(Boolean(this.live)));
  }

  #follow() {
    if (!this.live) return;
    this.draw();
    requestAnimationFrame(() => this.#follow());
  }

  /** Hears a file. */
  async open(file) {
    if (!file) return;
    try {
      const samples = await decoded(await file.arrayBuffer(), this.data.rate);
      await this.hear(int16(samples));
    } catch (error) {
      say(`${file.name} cannot be read as audio: ${error.message}`, true);
    }
  }

  /** Hears 16-bit samples at the rate of the bundle, as fast as it can. */
  async hear(pcm, anew = true) {
    await this.stop();
    const run = this.#reset(false);
    this.last = pcm;
    if (anew) {
      say("");
      this.#play(wav(pcm, this.data.rate));
    }
    const slice = Math.ceil(SLICE_S * this.data.rate);
    let since = performance.now();
    for (let at = 0; at < pcm.length; at += slice) {
      const part = pcm.subarray(at, at + slice);
      this.#push(part, part.reduce((most, x) => Math.max(most, Math.abs(x)), 0) / 32768);
      if (performance.now() - since < BUSY_MS) continue;
      this.draw();
      await pause();
      if (this.run !== run) return;
      since = performance.now();
    }
    this.firmware.finish();
    this.draw();
    const { count } = this.words;
    const told = count === 1 ? "1 word" : `${count} words`;
    if (anew) say(`Heard ${(pcm.length / this.data.rate).toFixed(1)} s: ${told}.`);
  }

  #play(file) {
    const player = $("player");
    if (player.src) URL.revokeObjectURL(player.src);
    player.hidden = !file;
    if (file) player.src = URL.createObjectURL(file);
    else player.removeAttribute("src");
  }

  draw() {
    if (document.hidden) return; // it is drawn as soon as it can be seen
    const { frameMs, rows } = this.data;
    const to = Math.max(this.wave.columns.count, this.posteriors.count);
    const seconds = this.live ? LIVE_S : Math.max(LEAST_S, this.seconds);
    const from = to - Math.round((Math.min(KEPT_S, seconds) * 1000) / frameMs);
    const first = this.live ? from : Math.max(0, from);
    const last = first + (to - from);
    drawWave($("wave"), this.wave, this.words.shown, first, last, frameMs);
    $("features").hidden = !this.features.count;
    if (this.features.count) drawFeatures($("features"), this.features, first, last);
    drawPosteriors($("posteriors"), this.posteriors, rows, first, last);
    const level = this.live ? this.level.now : this.level.loudest;
    $("meter").value = level;
    show($("decibels"), this.samples ? `${level.toFixed(0)} dB` : "");
    show($("advice"), this.samples ? this.level.advice : "");
    if (this.samples) {
      const cost = this.firmware.milliseconds / this.seconds;
      show($("cost"), `${cost.toFixed(2)} ms per second of audio, here`);
    }
  }

  get seconds() {
    return (this.samples ?? 0) / this.data.rate;
  }

  /** Compares what it computes with the golden recordings. */
  async verify() {
    const verdict = $("verdict");
    verdict.className = "";
    verdict.textContent = "Running the golden recordings …";
    $("verify").disabled = true;
    await pause();
    const found = await verified(this.module, this.data, pause).finally(() => {
      $("verify").disabled = false;
    });
    const { words, logits } = found;
    const different = words.different + logits.different;
    const cost = (found.milliseconds / found.seconds).toFixed(2);
    verdict.textContent =
      `${number(different)} bits differ: ${number(words.different)} of ` +
      `${number(words.bits)} of the words with times and confidences, ` +
      `${number(logits.different)} of ${number(logits.bits)} of the logits, in ` +
      `${found.recordings} recordings. ${cost} ms of computation per second of audio.`;
    verdict.className = different ? "problem" : "met";
    verdict.dataset.different = different;
  }

  #facts() {
    for (const [name, value] of [["computation", "–"], ...this.data.facts]) {
      const term = document.createElement("dt");
      const told = document.createElement("dd");
      term.textContent = name;
      told.textContent = value;
      if (name === "computation") told.id = "cost";
      $("facts").append(term, told);
    }
  }
}

function say(text, isProblem = false) {
  $("status").textContent = text;
  $("status").className = isProblem ? "problem" : "";
}

/** Sets a text where it is another one: screen readers say what is set. */
function show(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

async function begin() {
  const data = JSON.parse($("data").textContent);
  const module = await WebAssembly.compile(fromBase64(data.wasm));
  const golden = recordingsOf(await unpacked(data.golden.recordings));
  const recordings = data.recordings.map(({ name, at }) => ({ name, pcm: golden[at].pcm }));
  const page = new Page(module, data, recordings);
  if (location.hash === "#verify") await page.verify();
}

begin().catch((error) => say(`This page does not work here: ${error.message}`, true));
