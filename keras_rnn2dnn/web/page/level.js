// How loud the input is, and what to do about it.

const WINDOW_S = 3; // of a stream, which the advice is about
const QUIET_DB = -40; // of the loudest sample in it
const SILENT_DB = -75;
const CLIPPED_DB = -0.01;
export const LOWEST_DB = -80;

/** Returns an amplitude in [0, 1] in decibels of full scale. */
export function decibels(amplitude) {
  return Math.max(LOWEST_DB, 20 * Math.log10(Math.max(amplitude, 1e-9)));
}

/** Follows the peaks of a stream. */
export class Level {
  constructor() {
    this.reset();
  }

  /** Begins anew; of a stream the last seconds count, of a recording all. */
  reset(isStream = true) {
    this.longest = isStream ? WINDOW_S : Infinity;
    this.peaks = []; // of the last seconds: {peak, seconds}
    this.seconds = 0;
  }

  /** Takes the largest amplitude of a piece that lasts so many seconds. */
  push(peak, seconds) {
    this.peaks.push({ peak, seconds });
    this.seconds += seconds;
    while (this.seconds > this.longest && this.peaks.length > 1)
      this.seconds -= this.peaks.shift().seconds;
  }

  /** Returns decibels of the newest piece. */
  get now() {
    return decibels(this.peaks.at(-1)?.peak ?? 0);
  }

  /** Returns decibels of the loudest piece. */
  get loudest() {
    return decibels(this.peaks.reduce((most, { peak }) => Math.max(most, peak), 0));
  }

  /** Returns what is wrong with the level, or "good". */
  get advice() {
    const { loudest } = this;
    if (loudest >= CLIPPED_DB) return "clipped: speak more softly, or lower the input";
    if (this.seconds < WINDOW_S / 2 && this.longest === WINDOW_S) return "listening";
    if (loudest <= SILENT_DB) return "silent: is the microphone muted?";
    if (loudest < QUIET_DB) return "too quiet: come closer, or raise the input";
    return "good";
  }
}
