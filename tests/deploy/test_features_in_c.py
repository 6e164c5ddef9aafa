"""The C code of PCEN and MFCC against numpy, in a bundle of other features."""

import dataclasses
import shutil

import numpy as np
import pytest
from helpers.bundles import BINS, MFCC, SPEC, needs_cores, recordings

from keras_rnn2dnn.deploy.c_tables import features_header
from keras_rnn2dnn.deploy.device.features import device_features
from keras_rnn2dnn.deploy.golden import edge_signals, pcm_bytes
from keras_rnn2dnn.deploy.toolchain import CORES, PORTS, Workbench

PCEN = dataclasses.replace(
    SPEC, centering="none", compression="pcen", mean=(0.1,) * BINS
)
SPECS = {
    "of the paper": PCEN,
    "cepstra": MFCC,
    "logarithm": dataclasses.replace(PCEN, gain=1, bias=0.1, power=0),
    "of a cube root": dataclasses.replace(
        PCEN, gain=1, power=1 / 3, time_constant_ms=90
    ),
    "logarithm of another gain": dataclasses.replace(PCEN, gain=0.8, power=0),
}


def differing(target, spec, written, folder):
    """Runs the features of a specification; returns how many values differ in a bit."""
    copy = shutil.copytree(written, folder / "bundle")
    (copy / "c/features_table.h").write_text(features_header(spec, (0.05, 3)))
    silence = np.zeros(9000, np.int16)
    pcm = [*edge_signals(8000), np.concatenate([silence, *recordings(2), silence])]
    expected = np.concatenate([device_features(x, spec) for x in pcm])
    with Workbench(copy, flags="-O0") as bench:
        found = bench.run(target, "features", pcm_bytes(pcm, (0, 1, 333)))
    found = np.frombuffer(found, "<u4").reshape(expected.shape)
    assert expected.std() > 0.05
    return int((found != expected.view("<u4")).sum())


@pytest.mark.parametrize(
    "name",
    [
        name if k < 3 else pytest.param(name, marks=pytest.mark.slow)
        for k, name in enumerate(SPECS)
    ],
)
def test_the_host_computes_the_bits_of_numpy(name, written, tmp_path):
    assert differing("host", SPECS[name], written, tmp_path) == 0


@needs_cores
@pytest.mark.slow
@pytest.mark.parametrize("core", [*CORES, *PORTS])
@pytest.mark.parametrize("name", ["of the paper", "cepstra"])
def test_cores_compute_the_bits_of_numpy(core, name, written, tmp_path):
    assert differing(core, SPECS[name], written, tmp_path) == 0
