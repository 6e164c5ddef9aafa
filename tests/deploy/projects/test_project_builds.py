"""Projects are built with what there is, and run on boards that are made up."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from helpers.bundles import parts
from helpers.half_band import halved
from helpers.two_bundles import PROGRAM, said_by

from keras_rnn2dnn.deploy import load_bundle
from keras_rnn2dnn.deploy.golden import read_pcm
from keras_rnn2dnn.deploy.toolchain import missing_tools

STUBS = Path(__file__).with_name("stubs")
STRICT = ["-Wall", "-Wextra", "-Wshadow", "-Werror"]
FREE = ["-ffreestanding", "-Os", f"-I{STUBS / 'libc'}"]
ARM = ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"]
RISCV = ["-march=rv32imc", "-mabi=ilp32"]
EXAMPLES = {
    "arduino": "examples/Listen",
    "zephyr": "samples/listen/src",
    "esp-idf": "examples/listen/main",
    "cmake": "examples/listen",
}
VERIFIED = re.compile(
    r"verify: \d recordings?, [1-9]\d* words?, 0 of [1-9]\d* bits differ"
)
STUBS_OF = {"arduino": "arduino", "zephyr": "zephyr", "esp-idf": "esp_idf"}


def tool(*names):
    for name in names:
        if shutil.which(name) is None:
            pytest.skip(
                f"needs {name}: apt install cmake build-essential "
                "gcc-arm-none-eabi gcc-riscv64-unknown-elf"
            )
    return names[0]


def flags(out, kind):
    example = out / EXAMPLES[kind]
    stubs = STUBS / STUBS_OF[kind]
    return [f"-I{path}" for path in (out / "src", example, stubs)]


def sources(out, kind):
    folders = out / "src", out / EXAMPLES[kind]
    return [str(path) for folder in folders for path in sorted(folder.glob("*.c"))]


def run(line, **options):
    done = subprocess.run(
        [str(part) for part in line], capture_output=True, text=True, **options
    )
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout


def compiled(line, folder):
    """Compiles, without linking; returns the names of the objects."""
    folder.mkdir(exist_ok=True)
    run([*line, "-c"], cwd=folder)
    return {path.stem for path in folder.glob("*.o")}


CROSS = {
    "zephyr": ("arm-none-eabi-gcc", ARM),
    "esp-idf": ("riscv64-unknown-elf-gcc", RISCV),
    "arduino": ("arm-none-eabi-gcc", ARM),
}


@pytest.mark.parametrize("kind", CROSS)
def test_a_project_is_compiled_for_boards(kind, project_of, tmp_path):
    compiler, core = CROSS[kind]
    out = project_of("kitchen", kind)
    line = [tool(compiler), "-std=gnu11", *core, *FREE, *STRICT, *flags(out, kind)]
    names = compiled([*line, *sources(out, kind)], tmp_path / "all")
    assert {"listen", "listen_golden", "kitchen_recognizer"} <= names
    if kind == "esp-idf":
        main = out / EXAMPLES[kind] / "main.c"
        compiled([*line, "-DCONFIG_LISTEN_PDM=1", main], tmp_path / "pdm")
    if kind == "arduino":
        sketch = out / EXAMPLES[kind] / "Listen.ino"
        line = [tool("arm-none-eabi-g++"), "-std=gnu++14", *core, *FREE, *STRICT]
        line += [*flags(out, kind), "-include", "Arduino.h", "-x", "c++", sketch]
        assert compiled(line, tmp_path / "sketch") == {"Listen"}


def test_zephyr_builds_the_module_and_its_sample(project_of, tmp_path):
    tool("cmake", "cc")
    sample = project_of("kitchen", "zephyr") / "samples" / "listen"
    settings = re.findall(r"^(CONFIG_\w+)=y", (sample / "prj.conf").read_text(), re.M)
    line = ["cmake", "-S", sample, "-B", tmp_path, f"-DSETTINGS={';'.join(settings)}"]
    stubs = STUBS / "zephyr"
    run([*line, f"-DZephyr_DIR={stubs / 'cmake'}", f"-DSTUBS={stubs}"])
    run(["cmake", "--build", tmp_path])
    assert (tmp_path / "modules" / "libkitchen_recognizer.a").is_file()
    built = {path.name for path in tmp_path.rglob("*.o")}
    assert {"main.c.o", "listen.c.o", "listen_golden.c.o"} <= built


def test_esp_idf_builds_the_component_and_its_example(project_of, tmp_path):
    tool("cmake", "cc")
    out = project_of("kitchen", "esp-idf")
    environment = {**os.environ, "IDF_PATH": str(STUBS / "esp_idf")}
    line = ["cmake", "-S", out / "examples" / "listen", "-B", tmp_path]
    run(line, env=environment)
    run(["cmake", "--build", tmp_path], env=environment)
    assert (tmp_path / "esp-idf" / "libesp-idf.a").is_file()  # as its folder is called
    built = {path.name for path in (tmp_path / "main").rglob("*.o")}
    assert {"main.c.o", "listen.c.o", "listen_golden.c.o"} <= built


@pytest.mark.parametrize(
    ("core", "compiler", "flags", "script"),
    [
        ("m4", "arm-none-eabi-gcc", ARM, "mps2.ld"),
        ("rv32", "riscv64-unknown-elf-gcc", RISCV, "virt.ld"),
    ],
)
def test_an_emulated_core_verifies_itself(
    core, compiler, flags, script, spotter, project_of, tmp_path
):
    if missing := missing_tools(core):
        pytest.skip(f"needs {' '.join(missing)}")
    out = project_of("spotter", "arduino")
    line = [compiler, "-std=c99", "-O2", *flags, "-ffreestanding", *STRICT]
    line += [f"-I{path}" for path in (out / "src", out / EXAMPLES["arduino"])]
    line += [f"-I{spotter / 'check'}", f"-L{spotter / 'qemu'}", "-T", script]
    line += ["-nostdlib", "-nostartfiles", *sources(out, "arduino")]  # no C library
    line += [spotter / "qemu" / "startup.c", STUBS / "qemu" / "board.c", "-lgcc"]
    run([*line, "-o", tmp_path / "board.elf"])
    line = ["sh", spotter / "qemu" / "run.sh", core, tmp_path / "board.elf", "", "", ""]
    done = subprocess.run([str(part) for part in line], capture_output=True, text=True)
    last = (done.stdout + done.stderr).splitlines()[-1]  # the emulator's console
    assert VERIFIED.fullmatch(last)


def on_the_host(out, kind, folder, *options):
    """Builds a project with a board that is made up; returns the program."""
    tool("gcc", "g++")
    line = ["gcc", "-O1", "-g", "-fsanitize=undefined", "-fno-sanitize-recover=all"]
    line += [*flags(out, kind), *options]
    board = next((STUBS / STUBS_OF[kind]).glob("board.*"))
    folder.mkdir(exist_ok=True)
    if kind != "arduino":
        program = folder / "program"
        every = [*sources(out, kind), board, "-pthread", "-o", program]
        run([*line, "-std=gnu11", *every])
        return program
    run([*line, "-c", *sources(out, kind)], cwd=folder)
    sketch = out / EXAMPLES[kind] / "Listen.ino"
    program = folder / "program"
    every = ["-include", "Arduino.h", "-x", "c++", sketch, board, "-x", "none"]
    run(["g++", *line[1:], *every, *folder.glob("*.o"), "-o", program])
    return program


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("arduino", ()),
        ("zephyr", ()),
        ("esp-idf", ("-Dread=serial_read",)),
        ("esp-idf", ("-Dread=serial_read", "-DCONFIG_LISTEN_PDM=1")),
    ],
)
def test_a_board_hears_the_words_and_verifies_itself(
    kind, options, written, project_of, sound, tmp_path
):
    program = on_the_host(project_of("written", kind), kind, tmp_path / "b", *options)
    fast = np.repeat(sound, 2)  # a microphone of 16 kHz
    (tmp_path / "sound").write_bytes(fast.astype("<i2").tobytes())
    environment = {**os.environ, "SOUND": str(tmp_path / "sound")}
    environment["COMMANDS"] = "status\r\nverify\n"
    said = run(
        [program, tmp_path / "sound", environment["COMMANDS"]],
        env=environment,
        input=environment["COMMANDS"],
    )
    assert re.match(r"(PDM|DMIC|I2S) 1 16000\n", said)
    assert " 0 of " in said and "bits differ\n" in said
    heard = re.findall(r"^heard (\w+): ([\d.]+) to ([\d.]+) s", said, re.MULTILINE)
    (words,) = load_bundle(written).recognizer.recognize([halved(fast)])
    expected = [
        (word.text, f"{word.start_ms / 1000:.3f}", f"{word.end_ms / 1000:.3f}")
        for word in words
    ]
    assert heard == expected[: len(heard)]
    assert len(heard) >= max(1, len(expected) - 1)  # the last one may not be certain
    assert "samples lost" not in said
    assert "features with a running mean need `start` after a pause\n" in said


def test_samples_that_a_driver_loses_are_told(project_of, sound, tmp_path):
    out = project_of("written", "esp-idf")
    program = on_the_host(out, "esp-idf", tmp_path / "b", "-Dread=serial_read")
    (tmp_path / "sound").write_bytes(np.repeat(sound[:12000], 2).astype("<i2"))
    environment = {**os.environ, "SOUND": str(tmp_path / "sound"), "LOSE": "1"}
    said = run([program], env=environment, input="status\n")
    assert "256 samples lost" in said


@pytest.fixture(scope="module")
def installed(project_of, tmp_path_factory):
    """Two CMake projects, built and installed in one place; returns it and builds."""
    tool("cmake", "cc")
    place = tmp_path_factory.mktemp("cmake")
    for name in ("written", "kitchen"):
        build, out = place / f"build-{name}", project_of(name, "cmake")
        strict = f"-DCMAKE_C_FLAGS={' '.join(STRICT)}"
        run(["cmake", "-S", out, "-B", build, strict])
        run(["cmake", "--build", build])
        run(["cmake", "--install", build, "--prefix", place / "installed"])
    return place


WAYS = {
    "find_package": "find_package(recognizer 0.1 CONFIG REQUIRED)\n"
    "find_package(kitchen_recognizer CONFIG REQUIRED)\n",
    "add_subdirectory": "add_subdirectory({written} one)\n"
    "add_subdirectory({kitchen} two)\n",
}


@pytest.mark.parametrize("way", WAYS)
def test_two_bundles_are_found_by_another_project(
    way, installed, project_of, written, kitchen, tmp_path
):
    text = WAYS[way].format(
        written=project_of("written", "cmake"), kitchen=project_of("kitchen", "cmake")
    )
    (tmp_path / "CMakeLists.txt").write_text(
        f"cmake_minimum_required(VERSION 3.15)\nproject(both C)\n{text}"
        "add_executable(both main.c)\ntarget_link_libraries(both PRIVATE "
        "rnn2dnn::recognizer rnn2dnn::kitchen_recognizer)\n"
    )
    (tmp_path / "main.c").write_text(PROGRAM)
    found = f"-DCMAKE_PREFIX_PATH={installed / 'installed'}"
    run(["cmake", "-S", tmp_path, "-B", tmp_path / "build", found])
    run(["cmake", "--build", tmp_path / "build"])
    pcm = parts()["recordings"]
    sent = b"".join(x.astype("<i2").tobytes() for x in pcm)
    line = [str(tmp_path / "build" / "both")]
    done = subprocess.run(line, input=sent, capture_output=True, check=True)
    for name, folder in (("hall", written), ("kitchen", kitchen)):
        found = load_bundle(folder).recognizer.recognize(pcm)
        words = [word.text for words in found for word in words]
        assert words and said_by(name, done.stdout.decode()) == words
    assert not list((tmp_path / "build").rglob("listen"))  # the example is not built


def hears(listen, pcm):
    """Returns the words that the example prints for a recording."""
    done = subprocess.run(
        [str(listen)],
        input=pcm.astype("<i2").tobytes(),
        capture_output=True,
        check=True,
    )
    return re.findall(r"^heard (.*): [\d.]+ to ", done.stdout.decode(), re.MULTILINE)


def assert_listens(listen, bundle):
    """The example verifies itself, and prints the golden words of golden recordings."""
    for said in (run([listen, "verify"]), run([listen, "commands"], input="verify\n")):
        assert VERIFIED.fullmatch(said.splitlines()[-1])
    recordings = read_pcm(bundle.golden("recordings.pcm"))
    golden = bundle.golden("words.txt").decode().split("\n")[:-1]
    for pcm, words in zip(recordings, golden, strict=True):
        assert " ".join(hears(listen, pcm)) == words


@pytest.mark.parametrize("name", ["written", "kitchen"])
def test_the_example_verifies_itself_and_hears(name, installed, request):
    listen = installed / f"build-{name}" / "examples" / "listen" / "listen"
    assert_listens(listen, load_bundle(request.getfixturevalue(name)))


def test_the_example_of_a_keyword_spotter(spotter, project_of, tmp_path):
    out = project_of("spotter", "cmake")
    line = [tool("gcc"), "-O1", "-std=c99", *STRICT, "-DLISTEN_HALVINGS=0"]
    line += [f"-I{out / 'src'}", *sources(out, "cmake")]
    run([*line, "-o", tmp_path / "listen"])
    assert_listens(tmp_path / "listen", load_bundle(spotter))


def test_a_changed_table_is_seen_by_the_board(written, project_of, tmp_path):
    out = shutil.copytree(project_of("written", "cmake"), tmp_path / "project")
    path = out / "src" / "model.h"
    text = path.read_text()
    zeros, count = re.subn(r"( weights_0\[\d+\] = \{)[^}]*", r"\g<1>0", text)
    assert count == 1
    path.write_text(zeros)
    line = [tool("gcc"), "-O1", "-std=c99", "-DLISTEN_HALVINGS=0", f"-I{out / 'src'}"]
    run([*line, *sources(out, "cmake"), "-o", tmp_path / "listen"])
    done = subprocess.run(
        [tmp_path / "listen", "verify"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert int(re.search(r"words, (\d+) of", done.stdout)[1]) > 0


def test_the_golden_recordings_can_be_left_out(project_of, tmp_path):
    out = project_of("written", "cmake")
    line = [tool("gcc"), "-std=c99", *STRICT, "-DLISTEN_HALVINGS=0"]
    line += ["-DLISTEN_NO_GOLDEN", f"-I{out / 'src'}", *sources(out, "cmake")]
    run([*line, "-o", tmp_path / "listen"])
    done = subprocess.run(
        [tmp_path / "listen", "verify"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "left out (LISTEN_NO_GOLDEN)" in done.stdout
