// What was heard, drawn: the waveform with its words, features and posteriors.

const FONT = "11px system-ui, sans-serif";
const MARGIN = 76; // for names, CSS pixels
const WAVE = 84;
const LINES = [8, 20]; // of names above the waveform
const TOP = 28; // of the boxes of words
const NAMED = 60; // rows, at most, which have a name each
const UNNAMED = 400; // height of more, CSS pixels

function colours() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim();
  return {
    ground: rgb(read("--picture")),
    ink: rgb(read("--bright")),
    text: read("--text"),
    line: read("--accent"),
  };
}

/** Reads a colour `#rrggbb`. */
function rgb(text) {
  return [1, 3, 5].map((k) => parseInt(text.slice(k, k + 2), 16));
}

/** Returns the height of a row, CSS pixels. */
function rowHeight(rows) {
  if (rows <= 14) return 16;
  return rows <= NAMED ? 12 : Math.max(1, UNNAMED / rows);
}

/** Prepares a canvas for its width on the screen. */
function prepared(canvas, height) {
  const width = canvas.clientWidth;
  const dots = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * dots) || canvas.style.height !== `${height}px`) {
    canvas.style.height = `${height}px`;
    canvas.width = Math.round(width * dots);
    canvas.height = Math.round(height * dots);
  }
  const brush = canvas.getContext("2d");
  brush.setTransform(dots, 0, 0, dots, 0, 0);
  brush.clearRect(0, 0, width, height);
  brush.font = FONT;
  brush.textBaseline = "middle";
  return { brush, width };
}

const small = new OffscreenCanvas(1, 1); // one dot for each byte

/** Draws columns `from` to `to` of a history as an image. */
function image(brush, history, from, to, box) {
  const { ground, ink } = colours();
  const width = Math.max(1, to - from);
  const pixels = new ImageData(width, history.rows);
  for (let x = 0; x < width; x++) {
    const column = history.column(from + x);
    for (let row = 0; row < history.rows; row++) {
      const share = column ? column[row] / 255 : 0;
      const at = 4 * (row * width + x);
      for (let c = 0; c < 3; c++)
        pixels.data[at + c] = ground[c] + share * (ink[c] - ground[c]);
      pixels.data[at + 3] = 255;
    }
  }
  small.width = width;
  small.height = history.rows;
  small.getContext("2d").putImageData(pixels, 0, 0);
  brush.imageSmoothingEnabled = false;
  brush.drawImage(small, box.x, box.y, box.width, box.height);
}

/** Draws the posteriors of each row, with their names. */
export function drawPosteriors(canvas, history, names, from, to) {
  const row = rowHeight(names.length);
  const { brush, width } = prepared(canvas, row * names.length);
  const box = { x: MARGIN, y: 0, width: width - MARGIN, height: row * names.length };
  image(brush, history, from, to, box);
  brush.fillStyle = colours().text;
  brush.textAlign = "right";
  if (names.length > NAMED) return;
  names.forEach((name, k) =>
    brush.fillText(name, MARGIN - 6, (k + 0.5) * row, MARGIN - 8)
  );
}

/** Draws the features that the network reads: the lowest frequency at the bottom. */
export function drawFeatures(canvas, history, from, to) {
  const height = Math.max(48, 3 * history.rows);
  const { brush, width } = prepared(canvas, height);
  image(brush, history, from, to, { x: MARGIN, y: 0, width: width - MARGIN, height });
  brush.fillStyle = colours().text;
  brush.textAlign = "right";
  brush.fillText("features", MARGIN - 6, height / 2, MARGIN - 8);
}

/** Draws the waveform, and the words where they were said. */
export function drawWave(canvas, wave, words, from, to, frameMs) {
  const { brush, width } = prepared(canvas, WAVE);
  const { text, line } = colours();
  const scale = (width - MARGIN) / Math.max(1, to - from);
  const middle = (TOP + WAVE) / 2;
  const half = (WAVE - TOP) / 2;
  brush.save();
  brush.beginPath();
  brush.rect(MARGIN, 0, width - MARGIN, WAVE);
  brush.clip();
  brush.fillStyle = line;
  for (let x = from; x < to; x++) {
    const column = wave.columns.column(x);
    if (!column) continue;
    const high = ((column[1] - 128) / 128) * half;
    const low = ((column[0] - 128) / 128) * half;
    const left = MARGIN + (x - from) * scale;
    brush.fillRect(left, middle - high, Math.max(1, scale), Math.max(1, high - low));
  }
  brush.fillStyle = text;
  brush.strokeStyle = text;
  brush.textAlign = "left";
  const free = LINES.map(() => MARGIN); // of another word's name
  for (const word of words) {
    const left = MARGIN + (word.from - from) * scale;
    const span = ((word.end - word.start) / frameMs) * scale;
    brush.strokeRect(left, TOP, span, WAVE - TOP - 1);
    const line = free.findIndex((at) => at <= left);
    if (line < 0) continue;
    const long = brush.measureText(word.text).width;
    brush.fillText(word.text, Math.min(left + 2, width - long - 2), LINES[line]);
    free[line] = left + long + 6;
  }
  brush.restore();
  brush.fillStyle = text;
  brush.textAlign = "right";
  brush.fillText("samples", MARGIN - 6, middle, MARGIN - 8);
}
