"""The C code for other compilers, other flags and other machines."""

import shutil
import subprocess

import pytest
from helpers.bundles import needs_cores

from keras_rnn2dnn.deploy.toolchain import CORES, PORTS, Workbench, missing_tools

ARM = "arm-none-eabi-gcc -mthumb -mcpu=cortex-"
CLANG_ARM = "clang --target=arm-none-eabi -mcpu=cortex-"
RISCV = "riscv64-unknown-elf-gcc -march=rv32imc -mabi=ilp32"
CXX = "-x c++ -Wall -Wextra -Wconversion -Wshadow -Werror"
CALLS = ("memset", "memcpy", "memmove", "memclr")
BIG_ENDIAN = ("s390x-linux-gnu-gcc", "qemu-s390x")


def needs(*tools):
    lacking = [tool for tool in tools if shutil.which(tool) is None]
    if lacking:
        pytest.skip(f"needs {', '.join(lacking)}")


def compiled(line, sources, folder, *, include=(), check=True):
    """Compiles sources to objects in a folder."""
    line = [*line.split(), *(f"-I{path}" for path in include), "-c"]
    line += [str(path) for path in sources]
    return subprocess.run(line, cwd=folder, check=check, capture_output=True, text=True)


def golden(folder, name):
    return (folder / "golden" / name).read_bytes()


@pytest.mark.parametrize(
    "line",
    [
        f"{ARM}m0 -O0",
        f"{ARM}m0 -Os",
        f"{RISCV} -Os",
        f"{CLANG_ARM}m0 -O2",
        *(
            pytest.param(f"{compiler} {level}", marks=pytest.mark.slow)
            for compiler in (
                *(f"{ARM}{cpu}" for cpu in ("m0", "m0plus", "m23", "m3", "m4")),
                f"{ARM}m4 -mno-unaligned-access",
                f"{ARM}m55 -mfloat-abi=hard",
                RISCV,
                f"{CLANG_ARM}m0",
                f"{CLANG_ARM}m4",
                "clang --target=riscv32-unknown-elf -march=rv32imc",
            )
            for level in ("-O0", "-O1", "-O2", "-O3", "-Os", "-Og")
        ),
    ],
)
def test_the_library_calls_nothing_of_a_c_library(line, written, tmp_path):
    needs(line.split()[0], "nm")
    sources = sorted((written / "c").glob("*.c"))
    warned = compiled(
        f"{line} -ffreestanding -Wall -Wextra",
        sources,
        tmp_path,
        include=(written / "c",),
    ).stderr
    assert warned == ""
    listed = subprocess.run(
        ["nm", "-u", *map(str, tmp_path.glob("*.o"))],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert not [name for name in CALLS if name in listed]


@needs_cores
@pytest.mark.parametrize(
    "core", [*PORTS, *(pytest.param(c, marks=pytest.mark.slow) for c in CORES)]
)
def test_every_core_links_without_a_c_library_and_gives_the_same_bits(core, written):
    needs(*missing_tools(core))
    data = golden(written, "recordings.pcm")
    windows = golden(written, "network_inputs.s8")
    with Workbench(written) as bench:
        needed = bench.undefined_symbols(core)
        assert all(name.startswith("__") for name in needed)
        assert not [name for name in needed if name.lstrip("_aeibr").startswith(CALLS)]
        assert bench.run(core, "inputs", data) == golden(written, "inputs.s8")
        found = bench.run(core, "network", windows)
    assert found == golden(written, "network_outputs.s8")


REFUSED = ["-ffast-math", "-funsafe-math-optimizations", "-freciprocal-math"]
REFUSED += ["-fassociative-math -fno-signed-zeros -fno-trapping-math"]
EXACT = ["-ffp-contract=fast", "-fno-signed-zeros -ffinite-math-only"]


@pytest.mark.parametrize("flags", REFUSED)
def test_gcc_refuses_flags_which_change_bits(flags, written, tmp_path):
    source, include = written / "c" / "speech_features.c", (written / "c",)
    done = compiled(f"gcc {flags}", [source], tmp_path, include=include, check=False)
    assert done.returncode != 0
    assert "compile it without -ffast-math" in done.stderr


@pytest.mark.parametrize(
    "line", ["gcc -mfpmath=387", "gcc -m32 -mfpmath=387", "clang -m32 -mno-sse"]
)
def test_arithmetic_of_more_than_float_is_refused(line, written, tmp_path):
    needs(line.split()[0])
    machine = subprocess.run(
        ["uname", "-m"], capture_output=True, text=True, check=True
    )
    if machine.stdout.strip() != "x86_64":
        pytest.skip("x87 is of x86")
    source, include = written / "c" / "speech_features.c", (written / "c",)
    line = f"{line} -ffreestanding -std=gnu99"
    done = compiled(line, [source], tmp_path, include=include, check=False)
    assert done.returncode != 0
    assert "needs operations that round to float, as those of x87 do not" in done.stderr


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("flags", [*EXACT, *REFUSED[1:]])
def test_other_flags_change_no_bits(compiler, flags, written, tmp_path):
    """Clang has no macro for them: there the code is exact in spite of them."""
    needs(compiler)
    if compiler == "gcc" and flags in REFUSED:
        pytest.skip("refused")
    sources = [*sorted((written / "c").glob("*.c")), *(written / "check").glob("*.c")]
    line = [compiler, "-O3", "-march=native", "-Wall", "-Wextra", "-Werror"]
    line += [*flags.split(), f"-I{written / 'c'}", f"-I{written / 'check'}"]
    program = tmp_path / "check"
    subprocess.run([*line, *map(str, sources), "-o", str(program)], check=True)
    for stage in ("features.f32", "inputs.s8"):
        given, out = written / "golden" / "recordings.pcm", tmp_path / stage
        name = stage.partition(".")[0]
        subprocess.run([str(program), name, str(given), str(out)], check=True)
        assert out.read_bytes() == golden(written, stage)


@needs_cores
@pytest.mark.slow
@pytest.mark.parametrize(
    ("core", "cpu"),
    [
        ("m4", "cortex-m4 -mfloat-abi=hard -mfpu=fpv4-sp-d16"),
        ("m0", "cortex-m0"),
    ],
)
@pytest.mark.parametrize(
    "flags", ["-ffp-contract=fast", "-freciprocal-math", REFUSED[1]]
)
def test_clang_is_exact_on_cores_too(core, cpu, flags, written, tmp_path):
    needs("clang")
    include = (written / "c",)
    line = f"clang --target=arm-none-eabi -mcpu={cpu} -O2 -ffreestanding {flags}"
    sources = sorted((written / "c").glob("*.c"))
    compiled(line, sources, tmp_path, include=include)
    link = f"arm-none-eabi-gcc -mthumb -mcpu={cpu} -O2 -ffreestanding -nostdlib"
    line = [*link.split(), "-nostartfiles", "-Lqemu", "-T", "mps2.ld", "-Ic", "-Icheck"]
    line += [*map(str, tmp_path.glob("*.o")), "check/check.c", "qemu/startup.c"]
    program = tmp_path / "check.elf"
    subprocess.run(
        [*line, "-lgcc", "-o", str(program)],
        cwd=written,
        check=True,
        capture_output=True,
    )
    run = ["sh", str(written / "qemu" / "run.sh"), core, str(program), "features"]
    shutil.copy(written / "golden" / "recordings.pcm", tmp_path / "in")
    subprocess.run([*run, "in", "out"], cwd=tmp_path, check=True)
    assert (tmp_path / "out").read_bytes() == golden(written, "features.f32")


@pytest.mark.parametrize(
    "compiler",
    [
        "g++ -std=c++98",
        "g++ -std=c++20",
        "clang++ -std=c++17",
        "arm-none-eabi-g++ -mthumb -mcpu=cortex-m0 -ffreestanding",
        pytest.param(
            "arm-none-eabi-g++ -mthumb -mcpu=cortex-m55 -mfloat-abi=hard "
            "-ffreestanding",
            marks=pytest.mark.slow,
        ),
        "riscv64-unknown-elf-g++ -march=rv32imc -mabi=ilp32 -ffreestanding",
    ],
)
def test_all_sources_are_cpp_too(compiler, written, tmp_path):
    needs(compiler.split()[0])
    sources = [*sorted((written / "c").glob("*.c")), written / "check" / "check.c"]
    bare = "-ffreestanding" in compiler
    sources.append(written / ("qemu/startup.c" if bare else "check/io_host.c"))
    include = (written / "c", written / "check")
    flags = CXX.replace(" -Wconversion -Wshadow", "") if bare else CXX
    compiled(f"{compiler} -O1 {flags}", sources, tmp_path, include=include)
    if bare:
        return
    program = tmp_path / "check"
    objects = [str(path) for path in tmp_path.glob("*.o")]
    subprocess.run([compiler.split()[0], *objects, "-o", str(program)], check=True)
    given, out = written / "golden" / "recordings.pcm", tmp_path / "words"
    subprocess.run([str(program), "words", str(given), str(out)], check=True)
    assert out.read_bytes() == golden(written, "words.u32")


def test_golden_files_are_read_right_on_big_endian_machines(written, tmp_path):
    needs(*BIG_ENDIAN)
    sources = [*sorted((written / "c").glob("*.c")), *(written / "check").glob("*.c")]
    line = [BIG_ENDIAN[0], "-O2", "-static", "-Wall", "-Wextra", "-Werror"]
    line += [f"-I{written / 'c'}", f"-I{written / 'check'}", *map(str, sources)]
    program = tmp_path / "check"
    subprocess.run([*line, "-o", str(program)], check=True)
    stages = {"network": ("network_inputs.s8", "network_outputs.s8")}
    for name in ("features.f32", "inputs.s8", "logits.s8", "words.u32"):
        stages[name.partition(".")[0]] = ("recordings.pcm", name)
    for stage, (given, expected) in stages.items():
        out = tmp_path / expected
        line = [BIG_ENDIAN[1], str(program), stage, str(written / "golden" / given)]
        subprocess.run([*line, str(out)], check=True)
        assert out.read_bytes() == golden(written, expected), stage
