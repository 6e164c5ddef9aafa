"""What `verify` proves of clips that are normalized by themselves."""

from collections.abc import Iterator, Sequence

import numpy as np

from keras_rnn2dnn.deploy import golden
from keras_rnn2dnn.deploy.c_prefix import prefixed
from keras_rnn2dnn.deploy.device.normalizing import newest_normalized
from keras_rnn2dnn.deploy.loading import Bundle
from keras_rnn2dnn.deploy.toolchain import Workbench
from keras_rnn2dnn.deploy.verify.changes import Change
from keras_rnn2dnn.deploy.verify.outcome import Outcome, judged

# In standard deviations of a clip. Most is for those in which next to nothing happens:
# they are divided by 1 / sqrt(n), which makes much of what is rounded.
MOST_ERROR, USUAL_ERROR = 2e-2, 1e-3
_INPUTS = ("features_table.h", "inputs", "recordings.pcm", "inputs.s8")


def clip_accuracy(bundle: Bundle, bench: Workbench, _: Sequence) -> Iterator[Outcome]:
    """Compares clips that are normalized in float32 with their formula in float64."""
    spec, window = bundle.recognizer.spec, bundle.recognizer.network.field.window
    if spec.example_norm == "none":
        return
    given = window, spec.example_norm
    errors = [
        newest_normalized(x, *given) - exact_newest(x, *given)
        for x in _features(bundle)
    ]
    error = np.abs(np.concatenate(errors))
    usual, most = np.percentile(error, 99.9), error.max()
    text = (
        f"99.9 % of {error.size:,} values within {usual:.1e}, all within {most:.1e} "
        f"(allowed: {USUAL_ERROR:.0e}, {MOST_ERROR:.0e}; standard deviations)"
    )
    good = usual <= USUAL_ERROR and most <= MOST_ERROR
    yield judged("features: normalized, float64", bool(good), text)


def exact_newest(features: np.ndarray, window: int, over: str) -> np.ndarray:
    """Normalizes each frame by the window that ends with it, in float64.

    Args:
        features: `(frames, features)`; the first frame stands for those before it.
        window: its frames.
        over: `"all"` or `"bins"`.

    Returns:
        float64 of the same shape.
    """
    rows = []
    for last in range(len(features)):
        places = np.maximum(np.arange(last - window + 1, last + 1), 0)
        x = features[places].astype(np.float64)
        axis = None if over == "all" else 0
        number = x.size if over == "all" else window
        deviation = np.maximum(x.std(axis), number**-0.5)
        rows.append((x[-1] - x.mean(axis)) / deviation)
    return np.array(rows).reshape(features.shape)


def heard_window(bundle: Bundle) -> Iterator[Change]:
    """Finds whether a clip of a frame less is normalized otherwise."""
    recognizer = bundle.recognizer
    network, over = recognizer.network, recognizer.spec.example_norm

    def inputs(x, frames):
        return network.quantized(newest_normalized(x, frames, over)).tobytes()

    window = network.field.window
    if any(inputs(x, window) != inputs(x, window - 1) for x in _features(bundle)):
        name = prefixed("FEATURES_WINDOW_FRAMES", bundle.prefix.upper())
        yield Change(name, 0, *_INPUTS)


def _features(bundle):
    """Returns the golden features of each recording, not yet normalized."""
    spec = bundle.recognizer.spec
    recordings = golden.read_pcm(bundle.golden("recordings.pcm"))
    counts = [spec.num_frames(len(pcm)) for pcm in recordings]
    found = np.frombuffer(bundle.golden("features.f32"), "<f4")
    return np.split(found.reshape(-1, spec.num_features), np.cumsum(counts)[:-1])
