"""Makes and proves the firmware bundle of the demo's student.

    rnn2dnn demo --out out
    python examples/firmware_bundle.py out/VOICE bundle

`out/VOICE` is the directory of a fold, which holds `student.keras`.
"""

import json
import sys
from pathlib import Path

import keras

from keras_rnn2dnn import convert
from keras_rnn2dnn.audio.features import FeatureSpec
from keras_rnn2dnn.deploy import verify
from keras_rnn2dnn.hmm import WordLoopDecoder
from keras_rnn2dnn.util.files import Audio, Utterances


def main(fold: str, bundle: str) -> None:
    """Reads what the demo wrote, converts and verifies."""
    fold = Path(fold)
    spec = json.loads((fold / "features.json").read_text())
    decoder = json.loads((fold / "student.decoder.json").read_text())
    report = convert(
        keras.saving.load_model(fold / "student.keras", compile=False),
        bundle,
        Utterances.load(fold / "calibration.npz").features,
        feature_spec=FeatureSpec.from_dict(spec),
        decode=WordLoopDecoder.from_dict(decoder),
        recordings=Audio.load(fold / "test_audio.npz"),
    )
    print(report)
    print(verify(bundle))


if __name__ == "__main__":
    main(*sys.argv[1:])
