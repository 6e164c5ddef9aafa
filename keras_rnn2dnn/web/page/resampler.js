// From the rate of a microphone to that of a bundle.

const CROSSINGS = 64; // of zero on each side of the low-pass
const ROLL_OFF = 0.96; // middle of its edge, in half the rate
const BETA = 10; // Kaiser's: about 100 dB

/** Modified Bessel function of the first kind, of order 0. */
function bessel(x) {
  let sum = 1;
  for (let k = 1, term = 1; term > 1e-12 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function divisor(a, b) {
  return b ? divisor(b, a % b) : a;
}

/**
 * Resamples a stream by a windowed sinc: what the new rate cannot hold is gone.
 *
 * Output n is the input at the time n / to: nothing is shifted.
 */
export class Resampler {
  constructor(from, to) {
    const common = divisor(from, to);
    this.step = from / common; // in 1 / phases of an input sample
    this.phases = to / common;
    this.plain = from === to;
    const cutoff = Math.min(1, to / from) * ROLL_OFF;
    this.half = Math.ceil(CROSSINGS / cutoff);
    this.kernels = Array.from({ length: this.phases }, (_, k) =>
      this.#kernel(k / this.phases, cutoff)
    );
    this.kept = new Float32Array(this.half - 1); // silence before the beginning
    this.phase = 0;
    this.at = 0; // of the next output's first tap in `kept`
  }

  /** Takes input samples; returns the output that is certain by now. */
  push(samples) {
    if (this.plain) return Float32Array.from(samples);
    const input = new Float32Array(this.kept.length + samples.length);
    input.set(this.kept);
    input.set(samples, this.kept.length);
    const taps = 2 * this.half;
    const output = [];
    while (this.at + taps <= input.length) {
      const kernel = this.kernels[this.phase];
      let sum = 0;
      for (let k = 0; k < taps; k++) sum += kernel[k] * input[this.at + k];
      output.push(sum);
      this.phase += this.step;
      this.at += Math.floor(this.phase / this.phases);
      this.phase %= this.phases;
    }
    const done = Math.min(this.at, input.length);
    this.kept = input.slice(done);
    this.at -= done;
    return Float32Array.from(output);
  }

  /** Returns what is left at the end of a recording. */
  flush() {
    return this.push(new Float32Array(this.half));
  }

  /** The taps for an output that lies `fraction` of a sample behind tap `half - 1`. */
  #kernel(fraction, cutoff) {
    const taps = Float64Array.from({ length: 2 * this.half }, (_, k) => {
      const x = k - (this.half - 1) - fraction;
      const share = x / this.half;
      if (Math.abs(share) >= 1) return 0;
      const angle = Math.PI * cutoff * x;
      const window = bessel(BETA * Math.sqrt(1 - share ** 2)) / bessel(BETA);
      return window * (angle === 0 ? 1 : Math.sin(angle) / angle);
    });
    const sum = taps.reduce((a, b) => a + b);
    return taps.map((tap) => tap / sum);
  }
}

/** Resamples a whole recording. */
export function resampled(samples, from, to) {
  const resampler = new Resampler(from, to);
  if (from === to) return samples;
  const parts = [resampler.push(samples), resampler.flush()];
  const whole = new Float32Array(parts[0].length + parts[1].length);
  whole.set(parts[0]);
  whole.set(parts[1], parts[0].length);
  return whole.subarray(0, Math.ceil((samples.length * to) / from));
}
