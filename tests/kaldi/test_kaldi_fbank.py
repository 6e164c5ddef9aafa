from pathlib import Path

import numpy as np
import pytest

from keras_rnn2dnn import LogMel
from keras_rnn2dnn.audio.corpora.recordings import read_wav
from keras_rnn2dnn.audio.features import FeatureSpec
from keras_rnn2dnn.kaldi import fbank_spec, mfcc_spec

FSDD = Path(__file__).parents[3] / "shared" / "fsdd" / "recordings"


def speech(rate):
    if FSDD.is_dir() and rate == 8000:
        return read_wav(sorted(FSDD.glob("*.wav"))[0])[0]
    t = np.arange(rate) / rate
    noise = 0.01 * np.random.default_rng(0).normal(size=rate)
    return (0.3 * np.sin(2 * np.pi * 300 * t * t) + noise + 0.02).astype("float32")


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        ({"num_bins": 40, "low_hz": 60, "high_hz": 3600}, {}),
        ({"window": "hamming"}, {"window_type": "hamming"}),
        ({"preemphasis": 0.0}, {"preemph_coeff": 0.0}),
        ({"remove_dc": False}, {"remove_dc_offset": False}),
    ],
)
def test_the_features_are_those_of_kaldi(rate, ours, theirs):
    knf = pytest.importorskip("kaldi_native_fbank", reason="needs kaldi-native-fbank")
    options = knf.FbankOptions()
    options.frame_opts.samp_freq, options.frame_opts.dither = rate, 0
    options.mel_opts.num_bins = ours.get("num_bins", 23)
    options.mel_opts.low_freq = ours.get("low_hz", 20)
    options.mel_opts.high_freq = ours.get("high_hz", 0)
    for name, value in theirs.items():
        setattr(options.frame_opts, name, value)
    fbank, samples = knf.OnlineFbank(options), speech(rate)
    fbank.accept_waveform(rate, (samples * 32768).tolist())
    fbank.input_finished()
    expected = [fbank.get_frame(n) for n in range(fbank.num_frames_ready)]
    found = LogMel.from_spec(fbank_spec(rate, **ours))(samples[None])[0]
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize(
    ("bins", "cepstra", "lifter"), [(23, 13, 22.0), (40, 40, 22.0), (30, 10, 0.0)]
)
def test_the_cepstra_are_those_of_kaldi(rate, bins, cepstra, lifter):
    knf = pytest.importorskip("kaldi_native_fbank", reason="needs kaldi-native-fbank")
    options = knf.MfccOptions()
    options.frame_opts.samp_freq, options.frame_opts.dither = rate, 0
    options.mel_opts.num_bins, options.num_ceps = bins, cepstra
    options.cepstral_lifter, options.use_energy = lifter, False
    mfcc, samples = knf.OnlineMfcc(options), speech(rate)
    mfcc.accept_waveform(rate, (samples * 32768).tolist())
    mfcc.input_finished()
    expected = [mfcc.get_frame(n) for n in range(mfcc.num_frames_ready)]
    spec = mfcc_spec(rate, num_bins=bins, num_cepstra=cepstra, cepstral_lifter=lifter)
    found = LogMel.from_spec(spec)(samples[None])[0]
    assert found.shape[1] == cepstra and np.std(expected) > 5
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("rate", "length", "step"),
    [(8000, 200, 80), (11025, 275, 110), (22050, 551, 220), (44100, 1102, 441)],
)
def test_frames_are_cut_to_whole_samples(rate, length, step):
    spec = fbank_spec(rate)
    assert (spec.frame_length, spec.frame_step) == (length, step)


def test_silence_has_kaldis_smallest_energy():
    found = LogMel.from_spec(fbank_spec(8000))(np.zeros((1, 800), "float32"))
    np.testing.assert_allclose(found, np.log(2.0**-23), atol=1e-4)


def test_the_formula_against_numpy():
    spec = fbank_spec(8000, num_bins=3)
    x = speech(16000)[:400].astype("float64")
    frames = np.stack([x[0:200], x[80:280], x[160:360]])
    frames = frames - frames.mean(axis=1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(200) / 199)) ** 0.85
    power = np.abs(np.fft.rfft((frames - 0.97 * before) * window, 256)) ** 2
    mel = 1127 * np.log(1 + np.fft.rfftfreq(256, 1 / 8000) / 700)
    edges = np.linspace(1127 * np.log(1 + 20 / 700), 1127 * np.log(1 + 4000 / 700), 5)
    for bin_ in range(3):
        up = (mel - edges[bin_]) / (edges[1] - edges[0])
        down = (edges[bin_ + 2] - mel) / (edges[1] - edges[0])
        energy = power @ np.maximum(0, np.minimum(up, down))
        found = LogMel.from_spec(spec)(x[None].astype("float32"))[0, :, bin_]
        np.testing.assert_allclose(found, np.log(energy * 2.0**30), atol=1e-3)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"window": "blackman"},
            "`window`. Expected one of ('hamming', 'hann', 'povey')",
        ),
        ({"preemphasis": 1.5}, "`preemphasis`. Expected a number from 0 to 1"),
    ],
)
def test_other_options_are_refused(options, text):
    with pytest.raises(ValueError) as error:
        FeatureSpec(8000, **options)
    assert text in str(error.value)
    assert FeatureSpec.from_dict(fbank_spec().to_dict()) == fbank_spec()


def test_more_cepstra_than_bins_are_refused():
    with pytest.raises(ValueError) as error:
        mfcc_spec(8000, num_bins=12)
    assert str(error.value) == (
        "Invalid value for `num_cepstra`. Expected None, or an integer from 1 to "
        "num_bins=12. Received: num_cepstra=13"
    )
