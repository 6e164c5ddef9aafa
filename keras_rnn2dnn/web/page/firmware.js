// The bundle's C code, as WebAssembly.

/**
 * One recognizer, with memory of its own.
 *
 * `listener` may have the functions `word({index, text, start, end, confidence})`,
 * `utterance({start, end, words})` and `frame(logits, features)`, the last with views
 * of int8 that hold until the function returns. Times are milliseconds, confidences
 * thousandths.
 */
export class Firmware {
  constructor(module, listener, { classes, features }) {
    this.listener = listener;
    this.milliseconds = 0; // of computation
    const view = (at, count) => new Int8Array(this.c.memory.buffer, at, count);
    const page = {
      word: (index, start, end, confidence) =>
        this.listener.word?.({
          index,
          text: this.text(index),
          start: start >>> 0,
          end: end >>> 0,
          confidence,
        }),
      utterance: (start, end, words) =>
        this.listener.utterance?.({ start: start >>> 0, end: end >>> 0, words }),
      logits: (at) => {
        if (!this.listener.frame) return;
        const newest = this.c.features();
        this.listener.frame(view(at, classes), newest ? view(newest, features) : null);
      },
    };
    this.c = new WebAssembly.Instance(module, { page }).exports;
    this.start();
  }

  /** Forgets all; the threshold is the bundle's again. */
  start() {
    this.c.start();
  }

  /** Takes 16-bit samples, any number of them. */
  push(pcm) {
    const most = this.c.most_samples();
    for (let at = 0; at < pcm.length; at += most) {
      const part = pcm.subarray(at, at + most);
      new Int16Array(this.c.memory.buffer, this.c.pcm(), part.length).set(part);
      this.#timed(() => this.c.push(part.length));
    }
  }

  /** Ends the utterance; words that are left are reported. */
  finish() {
    this.#timed(() => this.c.finish());
  }

  /** Least confidence of a word that is reported, thousandths. */
  get threshold() {
    return this.c.threshold();
  }

  set threshold(thousandths) {
    this.c.set_threshold(thousandths);
  }

  text(index) {
    const from = this.c.text(index);
    const bytes = new Uint8Array(this.c.memory.buffer, from);
    return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
  }

  #timed(call) {
    const before = performance.now();
    call();
    this.milliseconds += performance.now() - before;
  }
}
