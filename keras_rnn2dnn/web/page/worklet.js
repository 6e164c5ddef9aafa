// Runs on the browser's audio thread: the microphone at the rate of the bundle.
import { Resampler } from "./resampler.js";

const PIECES_PER_SECOND = 50;

class Microphone extends AudioWorkletProcessor {
  constructor({ processorOptions: { rate } }) {
    super();
    this.resampler = new Resampler(sampleRate, rate);
    this.least = Math.round(sampleRate / PIECES_PER_SECOND);
    this.heard = new Float32Array(this.least + 4096);
    this.count = 0;
  }

  process([channels]) {
    if (!channels.length) return true; // between two devices
    const count = channels[0].length;
    for (let k = 0; k < count; k++) {
      let sum = 0;
      for (const channel of channels) sum += channel[k];
      this.heard[this.count + k] = sum / channels.length;
    }
    this.count += count;
    if (this.count >= this.least) {
      const heard = this.heard.subarray(0, this.count);
      let peak = 0; // before the low-pass, which hides what is clipped
      for (const x of heard) peak = Math.max(peak, Math.abs(x));
      const samples = this.resampler.push(heard);
      this.port.postMessage({ samples, peak }, [samples.buffer]);
      this.count = 0;
    }
    return true;
  }
}

registerProcessor("microphone", Microphone);
