// Where the samples come from: a microphone, or a file.
import { wavRate } from "./bytes.js";
import { resampled } from "./resampler.js";

const PLAIN_RATE_HZ = 48000; // at which files are decoded that say no rate
const PATIENCE_MS = 1000; // until it is told that the audio does not start

const REFUSALS = {
  NotAllowedError:
    "The browser refused the microphone. Allow it for this page, in the address bar " +
    "or the browser's settings, and try again.",
  NotFoundError: "No microphone was found. Plug one in, and try again.",
  NotReadableError: "The microphone is in use by another program, or broken.",
};

const INSECURE =
  "Browsers give the microphone to secure pages alone. Open this one with: " +
  "rnn2dnn web BUNDLE --serve";

/** Says why there is no microphone. */
export function refusal(error) {
  return REFUSALS[error.name] ?? `The microphone does not start: ${error.message}`;
}

/**
 * Opens the microphone, and calls `heard({samples, peak})` with floats at `rate`.
 *
 * Returns `{rate, running, resume, stop}`: the rate of the device, whether it is heard
 * by now, what asks for that again, and what gives it back. `lost` is called where the
 * device goes away, `changed` where the browser pauses it, or goes on.
 */
export async function microphone(worklet, rate, levelled, { heard, lost, changed }) {
  if (!navigator.mediaDevices) throw new Error(INSECURE);
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: {
      channelCount: 1,
      echoCancellation: false,
      noiseSuppression: false,
      autoGainControl: levelled,
    },
  });
  const context = new AudioContext();
  const stop = () => {
    for (const track of stream.getTracks()) track.stop();
    return context.close();
  };
  try {
    // A blob's address would do for pages of a server alone, not for files.
    const address = `data:text/javascript,${encodeURIComponent(worklet)}`;
    await context.audioWorklet.addModule(address);
    const node = new AudioWorkletNode(context, "microphone", {
      numberOfOutputs: 0,
      processorOptions: { rate },
    });
    node.port.onmessage = ({ data }) => heard(data);
    stream.getTracks()[0].onended = lost;
    context.createMediaStreamSource(stream).connect(node);
    // Where the browser holds it back, the promise stays open.
    const late = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
    await Promise.race([context.resume(), late]);
    context.onstatechange = () => context.state === "closed" || changed();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    rate: context.sampleRate,
    get running() {
      return context.state === "running";
    },
    resume: () => context.resume().catch(() => {}), // not yet
    stop,
  };
}

/** Decodes a file of any format that the browser knows; returns floats at `rate`. */
export async function decoded(buffer, rate) {
  const told = wavRate(buffer);
  const own = told >= 8000 && told <= 96000 ? told : PLAIN_RATE_HZ;
  const context = new OfflineAudioContext(1, 1, own); // it decodes to its own rate
  const audio = await context.decodeAudioData(buffer);
  const mixed = new Float32Array(audio.length);
  for (let c = 0; c < audio.numberOfChannels; c++) {
    const channel = audio.getChannelData(c);
    for (let k = 0; k < mixed.length; k++)
      mixed[k] += channel[k] / audio.numberOfChannels;
  }
  return resampled(mixed, own, rate);
}
