// The golden recordings of a bundle, and whether they are met to the bit.
import { unpacked } from "./bytes.js";
import { Firmware } from "./firmware.js";

const NO_WORD = 2 ** 32 - 1; // end of a recording
const NO_MORE = 2 ** 32 - 2; // end of an utterance

/** Returns `{pcm, chunk}` of each recording in `golden/recordings.pcm`. */
export function recordingsOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const found = [];
  for (let at = 0; at < bytes.length; ) {
    const count = view.getUint32(at, true);
    const chunk = view.getUint32(at + 4, true);
    const pcm = Int16Array.from({ length: count }, (_, k) =>
      view.getInt16(at + 8 + 2 * k, true)
    );
    found.push({ pcm, chunk });
    at += 8 + 2 * count;
  }
  return found;
}

/** Returns how many bits two arrays of bytes do not share; bytes that lack count whole. */
export function differingBits(a, b) {
  const shared = Math.min(a.length, b.length);
  let bits = 8 * (Math.max(a.length, b.length) - shared);
  for (let k = 0; k < shared; k++)
    for (let rest = (a[k] ^ b[k]) & 0xff; rest; rest &= rest - 1) bits++;
  return bits;
}

/** Pushes a recording as the check of the bundle does: 0 stands for changing chunks. */
function pushInChunks(firmware, { pcm, chunk }, random) {
  for (let at = 0; at < pcm.length; ) {
    let count = chunk;
    if (count === 0) {
      random.state = (Math.imul(random.state, 1664525) + 1013904223) >>> 0;
      count = 1 + (random.state >>> 24) * 4;
    }
    firmware.push(pcm.subarray(at, at + Math.min(count, 1024)));
    at += Math.min(count, 1024);
  }
}

/**
 * Runs the golden recordings in a recognizer of their own.
 *
 * Returns `{recordings, words, logits, milliseconds, seconds}`; of words and logits
 * `{different, bits}`. Words count with their times, confidences and utterances.
 */
export async function verified(module, data, pause) {
  const { golden, classes } = data;
  const recordings = recordingsOf(await unpacked(golden.recordings));
  const expected = await unpacked(golden.logits);
  const rows = [];
  let frames = 0;
  let different = 0;
  const listener = {
    word: ({ index, start, end, confidence }) =>
      rows.push([index, start, end, confidence]),
    utterance: ({ start, end, words }) => rows.push([NO_MORE, start, end, words]),
    frame: (logits) => {
      const at = classes * frames++;
      different += differingBits(logits, signed(expected, at, classes));
    },
  };
  const firmware = new Firmware(module, listener, data);
  const random = { state: 1 };
  for (const recording of recordings) {
    pushInChunks(firmware, recording, random);
    firmware.finish();
    rows.push([NO_WORD, 0, 0, 0]);
    await pause();
  }
  different += 8 * Math.max(0, expected.length - classes * frames);
  const columns = rows.map((row) => row.slice(0, golden.columns));
  const found = new Uint8Array(Uint32Array.from(columns.flat()).buffer);
  const words = await unpacked(golden.words);
  const samples = recordings.reduce((sum, { pcm }) => sum + pcm.length, 0);
  return {
    recordings: recordings.length,
    words: { different: differingBits(found, words), bits: 8 * words.length },
    logits: { different, bits: 8 * expected.length },
    milliseconds: firmware.milliseconds,
    seconds: samples / data.rate,
  };
}

/** A part of bytes, as the int8 that logits are. */
function signed(bytes, at, count) {
  if (at >= bytes.length) return new Int8Array(0);
  const end = Math.min(at + count, bytes.length);
  return new Int8Array(bytes.buffer, bytes.byteOffset + at, end - at);
}
