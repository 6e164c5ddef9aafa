"""Word errors of all kinds of targets, on real speech: the tables of docs/results.md.

Protocols: the official split of the Free Spoken Digit Dataset, in which all speakers
are transcribed; each of its speakers held out in turn, with unlabelled recordings of
the new speaker; and with `--commands` 40 commands by speakers whom no training has
heard. Strings in noise of 0-20 dB, as in `rnn2dnn demo`, aligned as they are heard. All
students of a form have the same first weights, all take the same number of updates on
batches drawn with the same seed; each has its decoder tuned on the same strings. Which
recipe is best is chosen on development strings: for a held-out speaker, on those of the
others.

Can be stopped and called again; finished results in --out are kept.
"""

import argparse
import concurrent.futures
import os
import subprocess
import sys
import time
import zlib
from pathlib import Path

SEEDS = 3
STAGES = "teacher", "rows", "best"
TITLES = {"official": "Official split", "commands": "Commands"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="the recordings (FSDD)")
    parser.add_argument("--commands", help="recordings of commands by folders")
    parser.add_argument("--out", required=True, help="directory of the results")
    parser.add_argument("--splits", nargs="+", help="some of them; default: all")
    parser.add_argument("--svg", type=Path, help="a picture of the tables")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--quick", action="store_true", help="minutes: one speaker")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        stage, split, seed = options.work
        _work(options, stage, split, int(seed))
        return
    check_out(options.out, options.quick, options.seeds)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        _run_all(options, pool)
    _print_tables(options)


def _run_all(options, pool):
    """Runs all stages, each unit as soon as what it needs is done."""
    begin, runs = time.monotonic(), {}
    for stage in STAGES:
        for split, seed in _units(options):
            needed = [r for other, r in runs.items() if _needs((stage, split), other)]
            given = options, stage, split, seed, needed
            runs[stage, split, seed] = pool.submit(_start, *given)
    names = {run: " ".join(map(str, name)) for name, run in runs.items()}
    for run in concurrent.futures.as_completed(runs.values()):
        if run.result():
            pool.shutdown(cancel_futures=True)
            raise SystemExit(f"{names[run]} failed: {run.result()}")
        minutes = (time.monotonic() - begin) / 60
        print(f"{minutes:5.1f} min {names[run]}", file=sys.stderr)


def _needs(one, other):
    """Tells whether a stage and split needs another stage, split and seed.

    Students need the teachers of all seeds of their split; the choice of the recipe
    needs the students of the whole protocol.
    """
    (stage, split), (before, of, _) = one, other
    if stage == "rows":
        return before == "teacher" and of == split
    return stage == "best" and before == "rows" and TITLES.get(of) == TITLES.get(split)


def check_out(out, quick, seeds):
    """Keeps results of other sizes, rows and seeds apart: their names are alike."""
    from benchmarks.quality.data import Sizes
    from benchmarks.quality.variations import rows, sizes

    plan = [(Sizes.of(p, quick), rows(p, quick)) for p in (*TITLES, "a speaker")]
    digest = zlib.crc32(repr((plan, sizes(quick))).encode())
    seeds = 1 if quick else seeds
    wanted = f"{'quick' if quick else 'full'}, {seeds} seeds, {digest:08x}"
    kind = Path(out) / "kind.txt"
    if not kind.exists():
        kind.parent.mkdir(parents=True, exist_ok=True)
        kind.write_text(wanted + "\n")
    found = kind.read_text().strip()
    if found != wanted:
        raise SystemExit(
            f"Invalid value for `--out`. Expected a directory of results of the kind "
            f"{wanted!r}, or a new one. Received: {out}, which has {found!r}"
        )


def _units(options):
    speakers = sorted({p.stem.split("_")[1] for p in Path(options.data).glob("*.wav")})
    splits = ["official", *["commands"] * bool(options.commands)]
    splits += speakers[:1] if options.quick else speakers
    if options.splits:
        splits = [split for split in splits if split in options.splits]
    seeds = 1 if options.quick else options.seeds
    return [(split, seed) for split in splits for seed in range(seeds)]


def _start(options, stage, split, seed, needed):
    """Runs a stage of a split and seed in a process of its own, unless it is done.

    Returns its exit code, or that of the first of the `needed` runs that failed.
    """
    for run in needed:  # begun before this one
        if run.result():
            return run.result()
    command = [sys.executable, "-m", "benchmarks.quality"]
    command += ["--data", options.data, "--out", options.out]
    command += ["--commands", options.commands] * bool(options.commands)
    command += ["--seeds", str(options.seeds), "--jobs", str(options.jobs)]
    command += ["--quick"] * options.quick + ["--work", stage, split, str(seed)]
    folder = Path(options.out) / f"{split}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    finished = folder / f"{stage}-of-{options.seeds}-seeds.done"
    if finished.exists():
        return 0
    threads = str(max(1, os.cpu_count() // options.jobs))
    environment = {**os.environ, "OMP_NUM_THREADS": threads}
    environment |= {"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": "1"}
    begin = time.monotonic()
    with open(folder / f"{stage}.log", "a") as log:
        done = subprocess.run(command, stdout=log, stderr=log, env=environment)
    if not done.returncode:
        finished.write_text(f"{(time.monotonic() - begin) / 60:.2f}\n")
    return done.returncode


def _work(options, stage, split, seed):
    from benchmarks.quality.work import Work

    seeds = 1 if options.quick else options.seeds
    data = {"fsdd": options.data, "commands": options.commands}
    Work(data, Path(options.out), split, seed, seeds, options.quick).run(stage)


def _print_tables(options):
    from benchmarks.quality.picture import picture
    from benchmarks.quality.table import COMPARED, Summary, load_results

    results, summaries = load_results(Path(options.out)), {}
    for title in (*TITLES.values(), "New speaker"):
        found = [r for r in results if TITLES.get(r.split, "New speaker") == title]
        if not found:
            continue
        splits = ", ".join(dict.fromkeys(r.split for r in found))
        seeds = len({r.seed for r in found})
        summary = summaries[title] = Summary(found)
        print(f"\n{title} ({splits}; {seeds} seeds)\n\n{summary.table()}")
        print(f"\n{summary.comparisons(COMPARED)}")
    if options.svg:
        options.svg.write_text(picture(summaries))
    minutes = [float(p.read_text()) for p in Path(options.out).glob("*/*.done")]
    print(f"\n{len(minutes)} processes, together {sum(minutes):.0f} minutes")


if __name__ == "__main__":
    main()
