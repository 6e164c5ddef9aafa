"""What a recurrent teacher gives a small keyword classifier: errors, bytes, costs.

Ten keywords, other words and silence, clips of a second. Of `--data` with `train` and
`development` the speakers of the second are the test, which nothing is chosen by: three
of the first are the development. Of Speech Commands v2 it is the standard task, with
its lists. All students of a form have the same first weights and the same batches,
whatever they learn.

Can be stopped and called again; what is finished in --out is kept.
"""

import argparse
import dataclasses
import json
import os
from pathlib import Path

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="recordings of words")
    parser.add_argument("--out", type=Path, required=True, help="of the results")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, help="of each training; default: 20")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--quick", action="store_true", help="minutes: too little of all"
    )
    options = parser.parse_args(arguments)
    for name in ONE_THREAD:  # before TensorFlow and numpy are there
        os.environ[name] = str(options.threads)
    os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    from benchmarks.keywords.work import QUICK, Sizes

    sizes = QUICK if options.quick else Sizes()
    if options.epochs is not None:
        sizes = dataclasses.replace(sizes, epochs=options.epochs)
    seeds = options.seeds[:1] if options.quick else options.seeds
    for text in run(options.data, options.out, sizes, seeds):
        print(f"{text}\n", flush=True)


def run(data, out, sizes, seeds):
    """Trains, measures, and yields what is to be printed.

    Args:
        data: directory of the recordings.
        out: directory of all results.
        sizes: of the trainings.
        seeds: of the trainings.
    """
    from benchmarks.keywords import rows, tables
    from benchmarks.keywords.devices import costs, integers
    from benchmarks.keywords.material import Material
    from benchmarks.keywords.task import read_task
    from benchmarks.keywords.work import Work

    _check_out(out, sizes, seeds)
    material = Material(
        lambda: read_task(data, sizes.every), out / "clips", sizes.banks
    )
    work = Work(material, out, sizes, seeds)

    def trained(several):
        return {row.name: [work.logits(row, seed) for seed in seeds] for row in several}

    soft = rows.soft_rows(sizes.temperatures)
    found = trained([*rows.FIRST, *soft])
    best = tables.best_of(soft, found, material)
    both = [best, rows.with_labels(best)]
    found |= trained(both[1:])
    best = tables.best_of(both, found, material)
    found |= trained(rows.later_rows(best, len(seeds)))
    yield tables.heading(material, sizes, seeds, best)
    yield tables.of_floats(found, material, work)
    yield tables.comparisons(found, material, best)
    names = rows.on_device(best, len(seeds))
    as_integers = {n: [integers(work, n, seed) for seed in seeds] for n in names}
    spent = {name: costs(work, name, seeds[0]) for name in rows.in_bundles(best)}
    yield tables.of_integers(found, as_integers, spent, material)


def _check_out(out, sizes, seeds):
    """Keeps results of other sizes and seeds apart: their names are alike."""
    path, wanted = out / "sizes.json", {**dataclasses.asdict(sizes), "seeds": seeds}
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(wanted))
    if (kept := json.loads(path.read_text())) != json.loads(json.dumps(wanted)):
        raise SystemExit(
            f"Invalid value for `--out`. Expected a directory of results of {wanted}, "
            f"or a new one. Received: {out}, which has {kept}"
        )


if __name__ == "__main__":
    main()
