"""What each stage of a bundle must give: the files of `golden/`.

All are plain little-endian arrays, so that a check on a board needs no parser:

    network_inputs.s8    int8 windows, random and real
    network_outputs.s8   their int8 logits
    recordings.pcm       signals, recordings, the last of which has a long pause, and
                         other speech where the decoder knows it; of each uint32
                         samples, uint32 chunk size (0: changing), int16 samples
    features.f32         float32 features of all recordings, one frame after the other
    inputs.s8            the same as int8; where windows are normalized, each frame by
                         the window that ends with it
    logits.s8            int8 logits
    words.u32            32-bit word, start and end in ms, thousandths of confidence; of
                         the end of an utterance 4294967294, start, end, its words;
                         4294967295, 0, 0, 0 after each recording
    words.txt            the words, a line for each recording
    test_set.pcm/.u32/.txt  the same of further recordings, without what lies between
"""

from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn.audio.sample_checks import check_scale
from keras_rnn2dnn.deploy.device.events import (
    CONFIDENCE_STEPS,
    RecognizedWord,
    Utterance,
    words_of,
)
from keras_rnn2dnn.deploy.device.normalizing import newest_normalized
from keras_rnn2dnn.deploy.device.recognizer import DeviceNetwork, DeviceRecognizer
from keras_rnn2dnn.hmm.reporting import Reporting
from keras_rnn2dnn.quantization.interpreter import context_windows
from keras_rnn2dnn.util.errors import invalid

NO_WORD, NO_MORE = 2**32 - 1, 2**32 - 2  # end of a recording, of an utterance
NUM_RANDOM = NUM_REAL = 1200
_LEAST_WINDOWS = 2000
_LEAST_OF_IMAGES = 20
_MOST_PRODUCTS = 5e8  # of a two-dimensional network, whose windows take long
_MOST_RECORDINGS = 12  # with everything between PCM and words
_PAUSE_MS, _LONGEST_PAUSE_MS = 4500, 10_000
_CHUNKS = (0, 1, 160, 1024, 333)


def int16_pcm(recording: np.ndarray) -> np.ndarray:
    """Returns a recording as 16-bit PCM.

    Args:
        recording: int16, or floats in [-1, 1]; `(samples,)`.

    Raises:
        ValueError: if it is neither, or has samples far beyond [-1, 1].

    Example:
        >>> int16_pcm(np.array([0.5, -1.0, 1.0])).tolist()
        [16384, -32768, 32767]
    """
    recording = np.asarray(recording)
    if recording.ndim != 1 or recording.dtype.kind not in "if":
        received = f"{recording.dtype.name} {recording.shape}"
        expected = "int16, or floats in [-1, 1], of shape (samples,)"
        raise ValueError(invalid("recordings", expected, received))
    if recording.dtype == np.int16:
        return recording
    if recording.dtype.kind == "i":
        received = recording.dtype.name
        raise ValueError(invalid("recordings", "int16 or floats", received))
    check_scale("recordings", recording)
    return np.clip(np.rint(recording * 32768.0), -32768, 32767).astype(np.int16)


def edge_signals(sample_rate_hz: int) -> list[np.ndarray]:
    """Returns signals at the edges of what a microphone gives, one second each.

    Silence, the largest square wave, both largest constants, a single impulse, a sweep
    through all frequencies, white noise, and a recording shorter than a window.
    """
    count = sample_rate_hz
    t = np.arange(count) / sample_rate_hz
    impulse = np.zeros(count, np.int16)
    impulse[count // 2] = 32767
    sweep = np.sin(np.pi * t**2 * sample_rate_hz / 2)
    noise = np.random.default_rng(0).integers(-32768, 32768, count)
    return [
        np.zeros(count, np.int16),
        np.where(np.arange(count) // 8 % 2, 32767, -32768).astype(np.int16),
        np.full(count, 32767, np.int16),
        np.full(count, -32768, np.int16),
        impulse,
        (sweep * 32767).astype(np.int16),
        noise.astype(np.int16),
        np.full(3, 1000, np.int16),
    ]


def network_golden(
    network: DeviceNetwork, utterances: Sequence[np.ndarray], seed: int = 0
) -> dict[str, bytes]:
    """Returns the files of the network alone.

    Args:
        network: of the student.
        utterances: features `(frames, features)` of real utterances.
        seed: of the random windows.
    """
    rng = np.random.default_rng(seed)
    number = _number(network)
    shape = (number, network.field.window, network.num_features)
    random = rng.integers(-128, 128, shape).astype(np.int8)
    real = [
        context_windows(network.quantized(x), network.field)
        for x in utterances
        if len(x)
    ]
    real = np.concatenate(real)
    real = real[np.linspace(0, len(real) - 1, number).round().astype(int)]
    windows = np.concatenate([random, real])
    outputs = network.run(windows)
    return {
        "golden/network_inputs.s8": windows.tobytes(),
        "golden/network_outputs.s8": outputs.tobytes(),
    }


def _number(network):
    """Returns how many windows of each kind there are."""
    if not network.is_images:
        return NUM_RANDOM
    most = int(_MOST_PRODUCTS / 2 / max(1, network.multiply_accumulates))
    return min(NUM_RANDOM, max(_LEAST_OF_IMAGES, most))


def least_windows(network: DeviceNetwork) -> int:
    """Returns how many golden windows a bundle must have."""
    return 2 * _number(network) if network.is_images else _LEAST_WINDOWS


def recognizer_golden(
    recognizer: DeviceRecognizer, recordings: Sequence[np.ndarray]
) -> dict[str, bytes]:
    """Returns the files of all stages from PCM to words.

    Args:
        recognizer: of the student.
        recordings: int16 `(samples,)` of real recordings; may be empty.
    """
    chosen = np.linspace(0, len(recordings) - 1, min(len(recordings), _MOST_RECORDINGS))
    staged = edge_signals(recognizer.spec.sample_rate_hz)
    staged += [recordings[k] for k in chosen.round().astype(int)]
    if len(recordings) and recognizer.decoder.reporting.decide_ms is not None:
        staged.append(_with_pause(recognizer, recordings))
    features = [recognizer.features(pcm) for pcm in staged]
    inputs = [_quantized(recognizer, x) for x in features]
    logits = [recognizer.logits_of(x) for x in features]
    events = recognizer.events(logits)
    files = {
        "golden/recordings.pcm": pcm_bytes(staged),
        "golden/features.f32": np.concatenate(features).tobytes(),
        "golden/inputs.s8": np.concatenate(inputs).tobytes(),
        "golden/logits.s8": np.concatenate(logits).tobytes(),
        "golden/words.u32": event_bytes(events, recognizer.decoder.reporting),
        "golden/words.txt": _text(events),
    }
    if len(recordings):
        events = recognizer.hear(recordings)
        files |= {
            "golden/test_set.pcm": pcm_bytes(recordings),
            "golden/test_set.u32": event_bytes(events, recognizer.decoder.reporting),
            "golden/test_set.txt": _text(events),
        }
    return files


def _quantized(recognizer, features):
    """Returns int8 features as the network is given them."""
    network, over = recognizer.network, recognizer.spec.example_norm
    if over != "none":
        features = newest_normalized(features, network.field.window, over)
    return network.quantized(features)


def _with_pause(recognizer, recordings):
    """Joins recordings by a pause in which utterances end, and what is forgotten.

    Other speech is a recording backwards.
    """
    reporting, rate = recognizer.decoder.reporting, recognizer.spec.sample_rate_hz
    pause_ms = max(_PAUSE_MS, min(reporting.silence_ms, _LONGEST_PAUSE_MS)) + 500
    count = int(pause_ms * rate / 1000)
    pause = np.random.default_rng(0).integers(-3, 4, count).astype(np.int16)
    heard = [recordings[0], pause, recordings[-1]]
    if recognizer.is_word_loop and recognizer.decoder.topology.other:
        heard[2:] = [recordings[0][::-1], pause[: rate // 2], recordings[-1]]
    return np.concatenate(heard)


def pcm_bytes(
    recordings: Sequence[np.ndarray], chunks: Sequence[int] = _CHUNKS
) -> bytes:
    """Returns recordings as the check reads them, pushed in chunks of these sizes."""
    parts = []
    for number, pcm in enumerate(recordings):
        header = np.array([len(pcm), chunks[number % len(chunks)]], "<u4")
        parts += [header.tobytes(), pcm.astype("<i2").tobytes()]
    return b"".join(parts)


def read_pcm(data: bytes) -> list[np.ndarray]:
    """Reads the recordings of `pcm_bytes`.

    Example:
        >>> [r.tolist() for r in read_pcm(pcm_bytes([np.array([1, -2], np.int16)]))]
        [[1, -2]]
    """
    recordings, place = [], 0
    while place < len(data):
        count = int(np.frombuffer(data, "<u4", 1, place)[0])
        recordings.append(np.frombuffer(data, "<i2", count, place + 8))
        place += 8 + 2 * count
    return recordings


def counted_input(files: dict[str, bytes], network: DeviceNetwork) -> bytes:
    """Returns what instructions are counted on: a second of noise, or 100 frames.

    Of a window that moves on, four seconds.
    """
    if network.field.is_clip:
        size = network.field.window * network.num_features
        return files["golden/network_inputs.s8"][-3 * size :]
    if "golden/recordings.pcm" not in files:
        return files["golden/network_inputs.s8"][-100 * network.num_features :]
    recordings = read_pcm(files["golden/recordings.pcm"])
    return pcm_bytes(recordings[6:7] * _seconds_counted(network))


def counted_frames(recognizer: DeviceRecognizer) -> int:
    """Returns the input frames on which instructions are counted."""
    spec = recognizer.spec
    return spec.num_frames(spec.sample_rate_hz) * _seconds_counted(recognizer.network)


def _seconds_counted(network):
    """More where all is computed in few frames, the first of which may cost more."""
    return 4 if network.is_images and network.field.stride > 1 else 1


def event_bytes(
    events: Sequence[Sequence[RecognizedWord | Utterance]], reporting: Reporting
) -> bytes:
    """Returns words and ends of utterances as the check writes them.

    Args:
        events: of each recording.
        reporting: of the decoder; the check of earlier bundles knows only the first
            three columns.
    """
    rows = []
    for recording in events:
        for event in recording:
            if isinstance(event, Utterance):
                row = NO_MORE, event.start_ms, event.end_ms, event.words
            else:
                steps = round(event.confidence * CONFIDENCE_STEPS)
                row = event.index, event.start_ms, event.end_ms, steps
            rows.append([number % 2**32 for number in row])
        rows.append([NO_WORD, 0, 0, 0])
    columns = row_columns(reporting)
    return np.array(rows, "<u4").reshape(-1, 4)[:, :columns].tobytes()


def row_columns(reporting: Reporting) -> int:
    """Returns the numbers in a row of `event_bytes`."""
    return 3 if reporting.decide_ms is None else 4


def read_words(data: bytes, columns: int = 4) -> list[list[int]]:
    """Reads the numbers of the words of each recording from `event_bytes`.

    Args:
        data: of `event_bytes`.
        columns: of a row.

    Example:
        >>> words = [[RecognizedWord("no", 7, 0, 90), Utterance(0, 90, 1)], []]
        >>> read_words(event_bytes(words, Reporting()))
        [[7], []]
    """
    found = np.frombuffer(data, "<u4").reshape(-1, columns)[:, 0]
    ends = np.flatnonzero(found == NO_WORD)
    return [part[part < NO_MORE].tolist() for part in np.split(found, ends[:-1] + 1)]


def _text(events):
    lines = [" ".join(word.text for word in words_of(one)) for one in events]
    return "".join(f"{line}\n" for line in lines).encode()
