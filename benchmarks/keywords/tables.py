"""What is printed: the float systems on both tests, and the students as integers."""

import platform

import tensorflow as tf

from benchmarks.keywords.devices import EXACT, HEARD
from benchmarks.keywords.rows import DNN_LABELS, LABELS, TEACHER, compared
from benchmarks.keywords.table import Errors, chosen, interval, markdown

DEVELOPMENT = "development", "development in noise"


def errors(found, material, name):
    """Returns the `Errors` of all systems on a set."""
    examples = material.sets[name]
    of_set = {row: [z[name] for z in seeds] for row, seeds in found.items()}
    return Errors(of_set, examples.labels, examples.speakers)


def best_of(candidates, found, material):
    """Returns the candidate with the fewest errors on the development speakers."""
    sets = [errors(found, material, name) for name in DEVELOPMENT]
    best = chosen([row.name for row in candidates], sets)
    return next(row for row in candidates if row.name == best)


def heading(material, sizes, seeds, best):
    """Says what was trained on, and what was chosen."""
    lines = []
    for name, examples in {"training": material.banks[0], **material.sets}.items():
        speakers = len({*examples.speakers} - {""})
        lines.append(f"{name}: {len(examples.labels):,} clips of {speakers} speakers")
    first, *tests = lines
    return (
        f"Classes: {', '.join(material.labels)}\n\n"
        f"{first}, each in {sizes.banks} copies; {'; '.join(tests)}\n\n"
        f"{sizes.epochs} epochs, seeds {', '.join(map(str, seeds))}; TensorFlow "
        f"{tf.__version__}, Python {platform.python_version()}. Best on the "
        f"development speakers: {best.name}"
    )


def of_floats(found, material, work):
    """Returns the tables of the float systems, one for each test."""
    development = [errors(found, material, name) for name in DEVELOPMENT]
    return "\n\n".join(
        _of_floats(found, material, work, name, development) for name in HEARD
    )


def _of_floats(found, material, work, name, development):
    measured, keywords = errors(found, material, name), len(material.labels) - 2
    head = [
        *(f"{name[0].upper()}{name[1:]}", "parameters", "development, errors"),
        *("errors/clips", "of keywords, other, silence", "accuracy % (95 %)"),
        *("errors against labels (95 %)", "against the teacher (95 %)"),
    ]
    rows = []
    for row in found:
        base = DNN_LABELS if row.startswith("DNN") else LABELS
        kinds = [range(keywords), [keywords], [keywords + 1]]
        rows.append(
            [
                row,
                f"{work.parameters(row):,}",
                str(sum(one.counts(row)[0] for one in development)),
                "{}/{:,}".format(*measured.counts(row)),
                ", ".join(str(measured.of_classes(row, kind)) for kind in kinds),
                interval(measured.accuracy(row)),
                *_changes(measured, row, base),
            ]
        )
    return markdown(head, rows)


def _changes(measured, row, base):
    """Writes the changes against labels, and against the teacher."""
    return [
        "-" if row == other else interval(measured.change(row, other), relative=True)
        for other in (base, TEACHER)
    ]


def comparisons(found, material, best):
    """Returns the table of what the recurrent teacher is worth, on both tests."""
    tests = [errors(found, material, name) for name in HEARD]
    head = ["system", "against", *(f"errors, {name} (95 %)" for name in HEARD)]
    rows = []
    for row, other in compared(best):
        if row in found and other in found:
            changes = (
                interval(test.change(row, other), relative=True) for test in tests
            )
            rows.append([row, other, *changes])
    return markdown(head, rows)


def of_integers(found, as_integers, spent, material):
    """Returns the tables of the students as integers: errors, then costs."""
    texts = [_of_integers(found, as_integers, material, name) for name in HEARD]
    head = ["Device", "bytes", "RAM", "M4F, instructions an inference", "C, wrong/all"]
    rows = []
    for row, cost in spent.items():
        integers = as_integers[row]
        count, in_c = cost["instructions"], cost["in_c"]
        rows.append(
            [
                row,
                f"{max(int(one['bytes']) for one in integers):,}",
                f"{cost['ram_bytes']:,}",
                "-" if count is None else f"{count:,}",
                "-" if in_c is None else "{:,}/{:,}".format(*in_c),
            ]
        )
    return "\n\n".join([*texts, markdown(head, rows)])


def _of_integers(found, as_integers, material, name):
    """Compares float, int8 and the device; the changes are those of the last."""
    examples, device = material.sets[name], f"{name} on the device"
    exact = name == EXACT
    outputs = {TEACHER: [z[name] for z in found[TEACHER]]}
    for row, integers in as_integers.items():
        outputs[f"{row}, float"] = [z[name] for z in found[row]]
        outputs[f"{row}, int8"] = [z[name] for z in integers]
        outputs[row] = [z[device if exact else name] for z in integers]
    measured = Errors(outputs, examples.labels, examples.speakers)
    kinds = ["float", "int8"] if exact else ["float"]
    last = "on the device" if exact else "int8"
    head = [
        *(f"{name[0].upper()}{name[1:]}", f"errors of {', '.join(kinds)}"),
        *(f"errors/clips, {last}", f"accuracy % (95 %), {last}"),
        *("errors against labels (95 %)", "against the float teacher (95 %)"),
    ]
    rows = []
    for row in as_integers:
        base = DNN_LABELS if row.startswith("DNN") else LABELS
        counts = [measured.counts(f"{row}, {kind}")[0] for kind in kinds]
        rows.append(
            [
                row,
                ", ".join(map(str, counts)),
                "{}/{:,}".format(*measured.counts(row)),
                interval(measured.accuracy(row)),
                *_changes(measured, row, base),
            ]
        )
    return markdown(head, rows)
