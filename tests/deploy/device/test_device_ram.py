import dataclasses

import numpy as np
import pytest

from keras_rnn2dnn.audio.features import FeatureSpec
from keras_rnn2dnn.ctc import GreedyDecoder
from keras_rnn2dnn.deploy import ReceptiveField
from keras_rnn2dnn.deploy.device import DeviceNetwork, DeviceRecognizer
from keras_rnn2dnn.deploy.device.layers import Int8Layer, streaming_spans
from keras_rnn2dnn.deploy.device.ram import recognizer_ram, scratch_size, step_size
from keras_rnn2dnn.hmm import Topology, WordLoopDecoder
from keras_rnn2dnn.hmm.reporting import EARLIER

CLASSES = 5
SPEC = FeatureSpec(8000, num_bins=8)  # windows of 200 samples, an FFT of 256
LOOP = WordLoopDecoder(Topology("a b", 2))
GREEDY = GreedyDecoder(("", "a", "b", "c", "d"))


def layer(inputs, outputs, frames=1, taps=1, step=0):
    return Int8Layer(
        name="layer",
        weights=np.zeros((outputs, taps * inputs), np.int8),
        bias=np.zeros(outputs, np.int64),
        multipliers=np.full(1, 2**30),
        shifts=np.zeros(1, np.int64),
        frames=frames,
        taps=taps,
        tap_length=inputs,
        tap_step=2 * inputs,
        frame_step=step,
        output_offset=0,
        minimum=-128,
        maximum=127,
    )


def recognizer(decoder, layers, spec=SPEC, field=None):
    field = field or ReceptiveField(2, 1)
    network = DeviceNetwork(layers, field, (0.1, 0), (0.1, 0), spec.num_features)
    return DeviceRecognizer(network, spec, decoder)


def test_cepstra_keep_the_mean_of_each_cepstrum():
    layers = [layer(2 * 8, 16), layer(16, CLASSES)]
    spec = FeatureSpec(8000, num_bins=40, num_cepstra=8)
    found = recognizer_ram(recognizer(LOOP, layers, spec))
    assert found == recognizer_ram(recognizer(LOOP, layers))
    assert found["features"] == 200 * 2 + 3 * 4 + 8 * 4


def test_the_bytes_of_a_word_loop_are_those_counted_by_hand():
    layers = [layer(32, 16), layer(16, CLASSES)]
    found = recognizer_ram(recognizer(LOOP, layers))
    # 200 samples, three counters, 8 means.
    features = 200 * 2 + 3 * 4 + 8 * 4
    # 2 words of 2 states and silence are 5 nodes: 64 bits of background, a clock of
    # four numbers, a frame number, then of each node two numbers and three 16-bit ones;
    # a number and three 16-bit ones of each of 46 records; two 16-bit numbers.
    # 562 bytes are filled up to a multiple of 8.
    decoder = 8 + 16 + 4 + 5 * (8 + 6) + 46 * (4 + 6) + 4 + 6
    network = (2 + 1 + 1) * 8 + 16  # the window, and what the last layer reads
    scratch = 256 * 4  # more than two layers of 16 bytes
    # 4 bytes before it; 5 logits, filled up by 3 bytes; two numbers; of what is
    # reported eight; five pointers; 4 bytes after them.
    total = features + 4 + decoder + network + (5 + 3) + 8 + scratch + (8 + 5) * 4 + 4
    assert (features, decoder, total) == (444, 568, 2160)
    assert found == {
        "features": 444,
        "decoder": 568,
        "network": 48,
        "scratch": 1024,
        "total": 2160,
    }
    earlier = dataclasses.replace(
        LOOP, reporting=EARLIER
    )  # without a clock, 200 records
    found = recognizer_ram(recognizer(earlier, layers))
    decoder = 4 + 5 * 4 + 3 * 5 * 2 + 3 * 200 * 2 + 2
    total = features + decoder + network + (5 + 3) + 8 + scratch + 3 * 4
    assert (found["decoder"], found["total"]) == (decoder, total) == (1256, 2800)


def test_the_bytes_of_greedy_decoding_are_those_counted_by_hand():
    # A stride of 2 frames: no frame of one window serves the next.
    layers = [layer(16, 100, frames=7, step=16), layer(700, CLASSES)]
    found = recognizer_ram(recognizer(GREEDY, layers, field=ReceptiveField(9, 5)))
    # A clock, two frame numbers, a gain, its frames and a label.
    decoder = 4 * 4 + 3 * 4 + 2 + 2
    scratch = 2 * 7 * 100  # two layers of 7 frames are more than the spectrum
    total = 444 + decoder + 15 * 8 + (5 + 3) + 8 + scratch + (8 + 5) * 4
    assert found == {
        "features": 444,
        "decoder": 32,
        "network": 120,
        "scratch": 1400,
        "total": total,
    }
    assert total == 2064
    earlier = dataclasses.replace(GREEDY, reporting=EARLIER)
    parts = recognizer(earlier, layers, field=ReceptiveField(9, 5))
    assert recognizer_ram(parts)["total"] == 2004


def test_a_stream_keeps_what_each_layer_reads_for_its_newest_frame():
    # 9 frames of 8; 3 taps two frames apart (5 frames); then 3 frames of 100, joined.
    layers = [layer(8, 100, frames=5, taps=3, step=8), layer(300, 7, frames=3)]
    layers[1] = layer(300, 7, frames=3, step=100)
    layers.append(layer(21, CLASSES))
    field = ReceptiveField(6, 2)
    spans = streaming_spans(layers, field, 8)
    assert spans == [(9 - 5 + 1) * 8, (5 - 3 + 1) * 100, 3 * 7]
    found = recognizer_ram(recognizer(GREEDY, layers, field=field))
    assert found["network"] == 40 + 300 + 21
    assert found["scratch"] == 1024  # two frames of 100 are less than the spectrum
    assert streaming_spans(layers, ReceptiveField(6, 2, stride=2), 8) is None
    strided = [layer(8, 100, frames=5, step=16), layer(500, CLASSES)]
    assert streaming_spans(strided, field, 8) is None


def test_odd_numbers_of_bytes_are_filled_up():
    spec = FeatureSpec(1000, 11, 5, num_bins=3)  # 11 samples, an FFT of 16
    layers = [layer(9, 33), layer(33, CLASSES)]
    parts = recognizer(GREEDY, layers, spec, ReceptiveField(1, 1))
    assert recognizer_ram(parts) == {
        "features": 11 * 2 + 2 + 3 * 4 + 3 * 4,
        "decoder": 32,
        "network": 3 * 3 + 33,
        "scratch": 2 * 33 + 2,  # 66 bytes, beside floats: a multiple of 4
        "total": 48 + 32 + (42 + 5 + 1) + 8 + 68 + (8 + 5) * 4,
    }


@pytest.mark.parametrize("decoder", [LOOP, GREEDY])
@pytest.mark.parametrize("units", [1, 7, 900])
def test_the_parts_add_up(decoder, units):
    layers = [layer(40, units), layer(units, CLASSES)]
    parts = recognizer(decoder, layers, field=ReceptiveField(3, 1))
    found = recognizer_ram(parts)
    rest = found["total"] - sum(n for name, n in found.items() if name != "total")
    # Logits, ten numbers and four pointers, and what fills them up.
    assert CLASSES + 40 + 16 <= rest <= CLASSES + 40 + 16 + 14
    assert found["total"] % 4 == 0


def test_the_logits_need_no_scratch():
    assert scratch_size([layer(8, 900)]) == 1
    assert scratch_size([layer(8, 3), layer(3, 900)]) == 3
    assert scratch_size([layer(8, 3, frames=4), layer(12, 7), layer(7, 1)]) == 12
    assert step_size([layer(8, 3, frames=4), layer(12, 7), layer(7, 9)]) == 7
    assert step_size([layer(8, 900)]) == 1
