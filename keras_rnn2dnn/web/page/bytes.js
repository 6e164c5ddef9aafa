// What the page carries as text.

/** Returns the bytes of base64. */
export function fromBase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** Returns the bytes of gzip in base64. */
export async function unpacked(text) {
  const stream = new Blob([fromBase64(text)])
    .stream()
    .pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Returns 16-bit PCM of samples in [-1, 1], as the package makes it. */
export function int16(samples) {
  return Int16Array.from(samples, (x) => {
    const scaled = x * 32768;
    const rounded = Math.round(scaled);
    // Halves go to the even number, as in numpy.
    const even = rounded - scaled === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
    return Math.max(-32768, Math.min(32767, even));
  });
}

/** Returns a WAV file of 16-bit PCM, for the browser's player. */
export function wav(pcm, rate) {
  const header = new DataView(new ArrayBuffer(44));
  const text = (at, letters) =>
    [...letters].forEach((c, k) => header.setUint8(at + k, c.charCodeAt(0)));
  text(0, "RIFF");
  header.setUint32(4, 36 + 2 * pcm.length, true);
  text(8, "WAVEfmt ");
  header.setUint32(16, 16, true);
  header.setUint16(20, 1, true); // PCM
  header.setUint16(22, 1, true); // one channel
  header.setUint32(24, rate, true);
  header.setUint32(28, 2 * rate, true);
  header.setUint16(32, 2, true);
  header.setUint16(34, 16, true);
  text(36, "data");
  header.setUint32(40, 2 * pcm.length, true);
  return new Blob([header, pcm], { type: "audio/wav" });
}

/** Returns the rate of a WAV file, or null of any other. */
export function wavRate(buffer) {
  if (buffer.byteLength < 28) return null;
  const view = new DataView(buffer);
  const tag = (at) => String.fromCharCode(...new Uint8Array(buffer, at, 4));
  if (tag(0) !== "RIFF" || tag(8) !== "WAVE") return null;
  for (let at = 12; at + 16 <= buffer.byteLength; ) {
    if (tag(at) === "fmt ") return view.getUint32(at + 12, true);
    at += 8 + view.getUint32(at + 4, true) + (view.getUint32(at + 4, true) % 2);
  }
  return null;
}
