// The last seconds of what was heard, in memory that does not grow.

/** Columns of bytes, of which the newest `most` are kept. */
export class Columns {
  constructor(rows, most) {
    this.rows = rows;
    this.most = most;
    this.bytes = new Uint8Array(rows * most);
    this.count = 0; // so far
  }

  reset() {
    this.count = 0;
  }

  /** Takes a column: `value(row)` in [0, 255]. */
  push(value) {
    const at = this.rows * (this.count++ % this.most);
    for (let row = 0; row < this.rows; row++) this.bytes[at + row] = value(row);
  }

  /** Returns the column of a number, or null where it is gone or yet to come. */
  column(number) {
    if (number < 0 || number >= this.count || number < this.count - this.most)
      return null;
    const at = this.rows * (number % this.most);
    return this.bytes.subarray(at, at + this.rows);
  }
}

/** Least and largest sample of each piece of a waveform. */
export class Waveform {
  constructor(samplesPerColumn, most) {
    this.size = samplesPerColumn;
    this.columns = new Columns(2, most);
    this.reset();
  }

  reset() {
    this.columns.reset();
    this.held = 0;
    this.low = 0;
    this.high = 0;
  }

  /** Takes int16 samples. */
  push(pcm) {
    for (const x of pcm) {
      this.low = Math.min(this.low, x);
      this.high = Math.max(this.high, x);
      if (++this.held < this.size) continue;
      const [low, high] = [(this.low >> 8) + 128, (this.high >> 8) + 128];
      this.columns.push((row) => (row ? high : low));
      this.held = this.low = this.high = 0;
    }
  }
}

/**
 * Softmax of int8 logits, summed over the classes of each row, as bytes: by the square
 * root, so that what is weak among many rows can be seen.
 */
export function posteriorRows(logits, { scale, rowOf, rows }) {
  const largest = logits.reduce((a, b) => Math.max(a, b), -128);
  const sums = new Float64Array(rows.length);
  let total = 0;
  for (let k = 0; k < logits.length; k++) {
    const share = Math.exp(scale * (logits[k] - largest));
    total += share;
    sums[rowOf[k]] += share;
  }
  return sums.map((sum) => Math.round(255 * Math.sqrt(sum / total)));
}
