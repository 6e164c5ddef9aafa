"""With numpy alone: no TensorFlow, no Keras, no jiwer."""

import configparser
import json
import os
import runpy
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

import keras_rnn2dnn
from keras_rnn2dnn import Recognizer
from keras_rnn2dnn.audio.corpora.recordings import write_wav
from keras_rnn2dnn.deploy import golden
from keras_rnn2dnn.util.errors import LEFT_OUT

ROOT = Path(__file__).parents[2]
BLOCKED = """
import sys
for name in ("tensorflow", "keras", "jiwer", "soundfile", "soxr", "absl", "h5py"):
    sys.modules[name] = None
"""
USED = """
import json, runpy, types
from keras_rnn2dnn import Recognizer, cli
import keras_rnn2dnn.hmm.flat_start
import numpy as np
from keras_rnn2dnn.deploy import write_project
from keras_rnn2dnn.hmm import flat_start  # the function, not its module

assert callable(flat_start)
before, (bundle, wav) = set(sys.modules), sys.argv[1:]


class InputStream:
    def __init__(self, samplerate, callback, finished_callback, **options):
        self.callback, self.finished = callback, finished_callback

    def __enter__(self):
        pcm = np.frombuffer(open(wav, "rb").read()[44:], "<i2")
        for block in np.array_split(pcm, 100):
            self.callback(block[:, None], len(block), None, "")
        self.finished()

    def __exit__(self, *_):
        pass


sys.modules["sounddevice"] = types.SimpleNamespace(
    InputStream=InputStream, PortAudioError=OSError
)
write_project(bundle, "cmake", wav + ".project")
assert cli.main(["transcribe", bundle, wav, "--times"]) == 0
assert cli.main(["listen", bundle]) == 0
print(Recognizer.load(bundle, engine="numpy").transcribe(wav).text)
files = {n: str(getattr(m, "__file__", "")) for n, m in sys.modules.items()}
site = {n.partition(".")[0] for n in set(files) - before if "-packages" in files[n]}
print(json.dumps(sorted(site)))
try:
    from keras_rnn2dnn import Distiller
except ImportError as error:
    print(error)
sys.exit(cli.main(["distill", "store", "--out", "out"]))
"""
REMEDY = (
    "needs `keras`, which keras-rnn2dnn-lite leaves out. Install it with: pip install "
    "'tensorflow>=2.17' 'keras>=3.12' 'jiwer>=4.0'"
)


@pytest.fixture(scope="module")
def given(spotter, tmp_path_factory):
    """A bundle and a golden recording of it, and the words that are found here."""
    recordings = golden.read_pcm((spotter / "golden" / "recordings.pcm").read_bytes())
    wav = tmp_path_factory.mktemp("given") / "a.wav"
    write_wav(wav, recordings[-2] / 32768, 8000)
    found = Recognizer.load(spotter).transcribe(wav)
    assert {"low", "high"} == set(found.text.split())
    return spotter, wav, found


def check_used(done, found):
    """Compares what `USED` printed with the words of this installation."""
    assert done.returncode == 2, done.stderr
    *words, by_numpy, packages, error = done.stdout.splitlines()
    times, by_listen = words[: len(found.words)], words[len(found.words) :]
    expected = [
        f"{w.start_ms / 1000:.2f} {w.end_ms / 1000:.2f} {w.text} {w.confidence:.1f}"
        for w in found.words
    ]
    assert times == expected
    assert (" ".join(by_listen), by_numpy) == (found.text, found.text)
    assert set(json.loads(packages)) <= {"keras_rnn2dnn", "numpy"}
    assert error == f"`Distiller` {REMEDY}"
    last = done.stderr.splitlines()[-1]
    assert last == f"rnn2dnn distill: error: `rnn2dnn distill` {REMEDY}"


def test_transcribe_and_listen_need_numpy_alone(given, tmp_path):
    bundle, wav, found = given
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CC": "no-such-compiler"}
    environment["XDG_CACHE_HOME"] = str(tmp_path)
    line = [sys.executable, "-c", BLOCKED + USED, str(bundle), str(wav)]
    check_used(
        subprocess.run(line, env=environment, capture_output=True, text=True), found
    )
    assert not list(tmp_path.iterdir())


def test_the_remedy_names_what_setup_requires():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    required = config["options"]["install_requires"].split()
    named = [f"{name}>={least}" for name, least in LEFT_OUT.items()]
    assert sorted([*named, "numpy"]) == sorted(required)


def test_the_small_distribution_is_the_same_but_for_what_it_requires():
    text = (ROOT / "setup.cfg").read_text()
    config = runpy.run_path(str(ROOT / "lite" / "build_wheel.py"))["lite_config"](text)
    whole = configparser.ConfigParser(interpolation=None)
    whole.read_string(text)
    assert config["metadata"]["name"] == "keras-rnn2dnn-lite"
    assert config["options"]["install_requires"].split() == ["numpy"]
    assert set(config["options.extras_require"]) == {"audio", "listen", "web"}
    same = ("options.package_data", "options.packages.find", "options.entry_points")
    for section in same:
        assert dict(config[section]) == dict(whole[section])
    assert config["metadata"]["version"] == whole["metadata"]["version"]


@pytest.mark.slow  # builds, and installs
def test_the_wheel_works_where_there_is_numpy_alone(given, tmp_path):
    """`numpy` is the one of this environment, which is lent to the new one."""
    bundle, wav, found = given
    build = [sys.executable, str(ROOT / "lite" / "build_wheel.py"), "--offline"]
    subprocess.run([*build, "--out", str(tmp_path)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.startswith(f"keras_rnn2dnn_lite-{keras_rnn2dnn.__version__}-")
    venv.create(tmp_path / "lite", with_pip=True)
    python = tmp_path / "lite" / "bin" / "python"
    (site,) = (tmp_path / "lite" / "lib").glob("*/site-packages")
    for path in Path(np.__file__).parents[1].glob("numpy*"):
        (site / path.name).symlink_to(path)
    install = [python, "-m", "pip", "install", "--quiet", "--no-index", str(wheel)]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    given = {"env": environment, "capture_output": True, "text": True, "cwd": tmp_path}
    done = subprocess.run(install, **given)
    assert done.returncode == 0, done.stderr
    line = [python, "-c", f"import sys\n{USED}", str(bundle), str(wav)]
    done = subprocess.run(line, **given)
    check_used(done, found)
    command = tmp_path / "lite" / "bin" / "rnn2dnn"
    said = subprocess.run([command, "--version"], **given).stdout
    assert "TensorFlow not installed, Keras not installed" in said
