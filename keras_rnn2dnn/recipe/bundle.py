"""From the student to the firmware bundle, with the strings it was measured on."""

from pathlib import Path

import keras

from keras_rnn2dnn import hmm, web
from keras_rnn2dnn.deploy import convert
from keras_rnn2dnn.deploy.golden import int16_pcm
from keras_rnn2dnn.recipe.material import Material
from keras_rnn2dnn.recipe.trained import write_json
from keras_rnn2dnn.util.files import Audio, Utterances, joined

_CALIBRATION_STRINGS = 200


def make_bundle(
    student: keras.Model, decoder: hmm.WordLoopDecoder, material: Material, out: Path
) -> list[Path]:
    """Converts a student, and writes what it was calibrated and measured on.

    Args:
        student: trained.
        decoder: tuned to it.
        material: gives features and strings; its test, or without one its development,
            is the test set of the bundle.
        out: directory of the results.

    Returns:
        The files: `calibration.npz`, `development.npz`, where there is a test
        `test.npz`, then `test_audio.npz`, `features.json`, and those of `bundle/`;
        among these, where there is a compiler for it, the page of `web.write_page`.
    """
    features = [s.noisy for s in material.mixed[0][-_CALIBRATION_STRINGS:]]
    spec, heard = material.layer.spec, material.test or material.development
    references = joined([s.words for s in heard])
    pcm = [int16_pcm(s.samples) for s in heard]
    audio = Audio(pcm, spec.sample_rate_hz, references)
    sets = {"calibration": Utterances(features)}
    for name in ("development", "test"):
        if strings := getattr(material, name):
            words = joined([s.words for s in strings])
            sets[name] = Utterances([s.noisy for s in strings], words)
    sets["test_audio"] = audio
    files = [out / f"{name}.npz" for name in sets]
    for path, content in zip(files, sets.values(), strict=True):
        content.save(path)
    files.append(write_json(out / "features.json", spec.to_dict()))
    bundle = out / "bundle"
    convert(
        student,
        bundle,
        features,
        feature_spec=spec,
        decode=decoder,
        recordings=audio,
    )
    if web.is_installed():
        web.write_page(bundle)
    return files + [path for path in bundle.rglob("*") if path.is_file()]
