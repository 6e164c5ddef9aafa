"""What docs/firmware.md shows must work."""

import re
import subprocess
from pathlib import Path

from helpers.bundles import parts

PAGE = Path(__file__).parents[2] / "docs" / "firmware.md"
BOARD = """
#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>
static FILE *file;
int read_microphone(int16_t *pcm, int count)
{
    int found;
    if (!file) file = fopen("pcm", "rb");
    found = (int)fread(pcm, 2, (size_t)count, file);
    if (found == 0) exit(0);
    return found;
}
void set_led(int on) { printf("%d\\n", on); }
"""


def test_the_program_of_the_page_blinks(written, tmp_path):
    (program,) = re.findall(r"```c\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "main.c").write_text(program)
    (tmp_path / "board.c").write_text(BOARD)
    pcm = parts()["recordings"]
    (tmp_path / "pcm").write_bytes(b"".join(x.tobytes() for x in pcm))
    line = ["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", f"-I{written / 'c'}"]
    sources = [tmp_path / "main.c", tmp_path / "board.c", *(written / "c").glob("*.c")]
    line += [*map(str, sources), "-o", str(tmp_path / "firmware")]
    subprocess.run(line, check=True)
    done = subprocess.run(
        [str(tmp_path / "firmware")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.split()) <= {"0", "1"}
    assert len(done.stdout.split()) >= 1


def test_the_files_which_the_page_names_are_in_the_bundle(written):
    text = PAGE.read_text()
    for name in re.findall(r"`((?:golden|c|check|qemu|tflm)/[\w.]*)`", text):
        assert (written / name).exists(), name
    for target in re.findall(r"`make ([\w-]+)`", text):
        assert re.search(rf"\b{target}\b", (written / "Makefile").read_text()), target
