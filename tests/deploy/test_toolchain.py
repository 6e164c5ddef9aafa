import shutil
import subprocess
import tempfile

import keras
import numpy as np
import pytest
from helpers.bundles import TOPOLOGY, needs_cores, parts

from keras_rnn2dnn import dnn_student
from keras_rnn2dnn.deploy import convert, load_bundle, toolchain
from keras_rnn2dnn.deploy.golden import edge_signals, pcm_bytes
from keras_rnn2dnn.deploy.toolchain import CORES, Workbench, missing_tools


def golden(folder, name):
    return (folder / "golden" / name).read_bytes()


def test_the_bundle_checks_itself_without_python(written, tmp_path):
    copy = shutil.copytree(written, tmp_path / "copy")
    line = ["make", "-s", "-C", str(copy), "check"]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    stages = ["network", "features", "inputs", "logits", "words", "words"]
    assert [line.partition(":")[0] for line in lines] == stages
    assert all(line.endswith("is met to the bit") for line in lines)
    for name in ("golden/words.u32", "golden/words.txt", "student.tflite", "report.md"):
        content = (copy / name).read_bytes()
        (copy / name).write_bytes(content[:-1] + b"x")
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert f"{name}: FAILED" in done.stdout + done.stderr
        assert "is met to the bit" not in done.stdout
        (copy / name).write_bytes(content)


@pytest.mark.skipif(shutil.which("cmake") is None, reason="needs cmake")
def test_the_library_builds_in_a_cmake_project(written, tmp_path):
    (tmp_path / "main.c").write_text(
        '#include "recognizer.h"\nstatic recognizer r;\n'
        "int main(void) { recognizer_init(&r, 0, 0); return 0; }\n"
    )
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.13)\nproject(firmware C)\n"
        f"add_subdirectory({written} recognizer)\nadd_executable(firmware main.c)\n"
        "target_link_libraries(firmware recognizer)\n"
    )
    build = str(tmp_path / "build")
    for line in (
        ["cmake", "-S", str(tmp_path), "-B", build],
        ["cmake", "--build", build],
    ):
        subprocess.run(line, check=True, capture_output=True)
    subprocess.run([str(tmp_path / "build" / "firmware")], check=True)


@pytest.mark.skipif(shutil.which("cmake") is None, reason="needs cmake")
def test_ctest_runs_the_program_that_cmake_built(written, tmp_path):
    copy, build = shutil.copytree(written, tmp_path / "copy"), str(tmp_path / "b")
    source = copy / "check" / "check.c"
    text = source.read_text()
    for line in (["cmake", "-S", str(copy), "-B", build], ["cmake", "--build", build]):
        subprocess.run(line, check=True, capture_output=True)
    line = ["ctest", "--test-dir", build, "-V"]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    assert done.stdout.count("is met to the bit") == 6
    source.write_text(
        text.replace("write_all(y, sizeof y);", "y[0]++; write_all(y, 1);")
    )
    subprocess.run(["cmake", "--build", build], check=True, capture_output=True)
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "golden/network_outputs.s8" in done.stdout


@needs_cores
def test_folders_with_spaces_in_their_names_do(written, tmp_path, monkeypatch):
    spaced = tmp_path / "temporary files"
    spaced.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spaced))
    copy = shutil.copytree(written, tmp_path / "my bundle")
    for target in ("host", "m3"):
        with Workbench(copy) as bench:
            found = bench.run(target, "network", golden(copy, "network_inputs.s8"))
            assert found == golden(copy, "network_outputs.s8")


@needs_cores
def test_tables_beyond_the_code_memory_of_the_emulated_m55_run(tmp_path, no_costs):
    model = dnn_student(40, 8, context=(20, 20), units=(400,))
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(100, 40)).astype("float32") for _ in range(12)]
    assert convert(model, tmp_path, x).bytes > 600_000
    count = 40
    data = golden(tmp_path, "network_inputs.s8")[: count * 41 * 40]
    with Workbench(tmp_path) as bench:
        found = bench.run("m55", "network", data)
    assert found == golden(tmp_path, "network_outputs.s8")[: count * 8]


@needs_cores
def test_a_strided_student_costs_its_output_frames_alone(tmp_path, no_costs):
    """Per input frame: half of what the same layers cost in every frame."""
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(100, 8)).astype("float32") for _ in range(12)]
    counts = []
    for stride in (1, 2):
        layers = [
            keras.layers.Conv1D(32, 3, strides=stride, name="a"),
            keras.layers.Conv1D(32, 1, name="b"),
        ]
        model = keras.Sequential([keras.Input((None, 8)), *layers])
        folder = tmp_path / str(stride)
        convert(model, folder, x)
        data = golden(folder, "network_inputs.s8")[-100 * 8 :]
        with Workbench(folder) as bench:
            found = bench.costs("m4", data, False).instructions_per_frame
        counts.append(found["network"])
    assert counts[1] == pytest.approx(counts[0] / 2, rel=0.15)


@needs_cores
@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("flags", ["-DNETWORK_PLAIN", "-std=gnu11"])
def test_cores_give_the_same_bits_without_their_instructions(written, core, flags):
    with Workbench(written, flags=flags) as bench:
        data = golden(written, "recordings.pcm")
        assert bench.run(core, "features", data) == golden(written, "features.f32")
        data = golden(written, "network_inputs.s8")
        outputs = golden(written, "network_outputs.s8")
        assert bench.run(core, "network", data) == outputs


@needs_cores
def test_costs_repeat_and_follow_the_signal(written):
    second = pcm_bytes([edge_signals(8000)[6]], (1024,))
    with Workbench(written) as bench:
        first, again = (bench.costs("m4", second, True) for _ in range(2))
        louder = bench.costs("m4", pcm_bytes([edge_signals(8000)[0]], (1024,)), True)
    assert first == again
    counts = first.instructions_per_frame
    assert counts["total"] == sum(v for k, v in counts.items() if k != "total")
    other = louder.instructions_per_frame["network"]  # differs where outputs saturate
    assert counts["network"] == pytest.approx(other, rel=0.02)
    assert 6 * 8 * 12 + 12 * 7 + 7 * 5 < counts["network"] < 10_000
    assert 10_000 < counts["features"] < 25_000
    assert 100 < first.stack_bytes < 1024
    tables = sum(p.stat().st_size for p in (written / "c").glob("*_table.h"))
    assert 4000 < first.flash_bytes < 4000 + tables


@needs_cores
@pytest.mark.slow
def test_instructions_stay_below_those_of_the_first_measurements(tmp_path, no_costs):
    """440-128-128-128-42, 94,464 products: 496 k, 213 k and 71 k once."""
    model = dnn_student(40, 42, context=(5, 5), units=(128, 128, 128))
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(100, 40)).astype("float32") for _ in range(12)]
    convert(model, tmp_path, x)
    data = golden(tmp_path, "network_inputs.s8")[-100 * 40 :]
    limits = {"m3": 300_000, "m4": 213_000, "m55": 35_000}
    with Workbench(tmp_path) as bench:
        for core, limit in limits.items():
            count = bench.costs(core, data, False).instructions_per_frame["network"]
            assert 94_464 / 16 < count <= limit, core


@pytest.mark.slow  # of many emulated instructions
@needs_cores
def test_large_networks_are_counted_without_wrapping(tmp_path):
    """The counter has 24 bits: some 10 million instructions in its finest grain."""
    model = dnn_student(64, 8, context=(40, 40), units=(512,))
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(100, 64)).astype("float32") for _ in range(12)]
    convert(model, tmp_path, x)
    data = golden(tmp_path, "network_inputs.s8")[: 3 * 64]
    with Workbench(tmp_path, flags="-DNETWORK_PLAIN -O0") as bench:
        count = bench.costs("m3", data, False).instructions_per_frame["network"]
    assert count > 3 * 81 * 64 * 512


LONG = """
#include <stdio.h>
#include "decoder.h"
static decoder_state state;
static void on_word(const decoder_word *word, void *context)
{
    (void)context;
    printf("%u %u %u\\n", word->word, (unsigned)word->start, (unsigned)word->end);
}
int main(void)
{
    int8_t logits[FRAME];
    decoder_init(&state);
    for (long t = 0; t < 200000; t++) {
        for (int k = 0; k < FRAME; k++)
            logits[k] = k == (t < 70000 ? FRAME - 1 : 0) ? 127 : -128;
        decoder_step(&state, logits, on_word, 0);
    }
    decoder_finish(&state, on_word, 0);
    return 0;
}
"""


def test_words_after_a_long_silence_and_long_words_have_times(written, tmp_path):
    """Twenty minutes of silence, then of one word: counters of 16 bits are full."""
    (tmp_path / "main.c").write_text(LONG)
    line = ["cc", "-O2", f"-I{written / 'c'}", f"-DFRAME={TOPOLOGY.num_states}"]
    line += [str(tmp_path / "main.c"), *map(str, (written / "c").glob("decoder*.c"))]
    subprocess.run([*line, "-o", str(tmp_path / "main")], check=True)
    done = subprocess.run([str(tmp_path / "main")], capture_output=True, check=True)
    words = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    silence = TOPOLOGY.silence_state
    assert silence == TOPOLOGY.num_states - 1
    assert words == [(0, 200_000 - 65_535, 200_000)]


CALLBACK = """
#include <stdio.h>
#include "recognizer.h"
static recognizer r;
static int words, depth, deepest;
static void on_word(const recognizer_word *word, void *context)
{
    const int16_t pcm[80] = {0};
    (void)word;
    (void)context;
    words++;
    depth++;
    deepest = depth > deepest ? depth : deepest;
    recognizer_push(&r, pcm, 80);
    recognizer_finish(&r);
    depth--;
}
int main(void)
{
    static int16_t pcm[100000];
    size_t count = fread(pcm, 2, 100000, stdin);
    recognizer_init(&r, on_word, 0);
    recognizer_push(&r, pcm, count);
    recognizer_finish(&r);
    printf("%d %d", words, deepest);
    return 0;
}
"""


def test_a_callback_that_calls_back_changes_nothing(written, tmp_path):
    (tmp_path / "main.c").write_text(CALLBACK)
    line = ["cc", "-fsanitize=address,undefined", f"-I{written / 'c'}"]
    line += [str(tmp_path / "main.c"), *map(str, (written / "c").glob("*.c"))]
    subprocess.run([*line, "-o", str(tmp_path / "main")], check=True)
    pcm = parts()["recordings"][0]
    expected = len(load_bundle(written).recognizer.recognize([pcm])[0])
    done = subprocess.run(
        [str(tmp_path / "main")], input=pcm.tobytes(), capture_output=True, check=True
    )
    assert done.stdout.split() == [str(expected).encode(), b"1"]
    assert expected > 0


def test_missing_programs_are_listed(monkeypatch):
    monkeypatch.setattr(toolchain.shutil, "which", lambda name: None)
    assert missing_tools("host") == ["make", "cc"]
    assert missing_tools("m55") == ["make", "arm-none-eabi-gcc", "qemu-system-arm"]
    assert toolchain.measure_cores("nowhere", b"", True) is None


def test_a_stage_that_fails_says_what_the_check_said(written):
    with Workbench(written) as bench:
        with pytest.raises(RuntimeError, match="no such stage"):
            bench.run("host", "nonsense")
        with pytest.raises(RuntimeError, match="a file ended too early"):
            bench.run("host", "words", golden(written, "recordings.pcm")[:-5])
