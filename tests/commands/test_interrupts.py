import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import keras_rnn2dnn
from keras_rnn2dnn.util.interrupts import interrupts_end


@pytest.fixture(autouse=True)
def handler():
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def test_interrupts_end_the_process_meanwhile():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(ZeroDivisionError), interrupts_end():
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ignored_interrupts_stay_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as behind nohup
    with interrupts_end():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_another_thread_leaves_them_alone():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    seen = []

    def other():
        with interrupts_end():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def test_an_interrupt_during_the_imports_shows_no_traceback(tmp_path):
    # Interrupts itself as the first heavy module is found.
    for name in ("numpy", "keras", "tensorflow"):
        (tmp_path / f"{name}.py").write_text(
            "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"
        )
    root = str(Path(keras_rnn2dnn.__file__).parents[1])
    command = "from keras_rnn2dnn.cli import main\nraise SystemExit(main())\n"
    done = subprocess.run(
        [sys.executable, "-c", command, "align", "teacher.keras", "a.npz"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), root])},
        # In the background of a shell it would be ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "\nrnn2dnn: interrupted before it began\n"
