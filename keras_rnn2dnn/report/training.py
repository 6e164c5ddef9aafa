"""Section: the course of the training."""

from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn.report import svg
from keras_rnn2dnn.report.collect import Run
from keras_rnn2dnn.report.html import LeftOut, Section, figure, legend, table
from keras_rnn2dnn.report.table import lines_of

_CURVES = {  # title, label of the axis, factor
    "loss": ("Training loss", "nats", 1.0),
    "kl": ("KL", "nats", 1.0),
    "agreement": ("Agreement with the teacher", "% of frames", 100.0),
    "wer": ("Word error rate", "%", 100.0),
}
_CAPTIONS = {
    "loss": "Mean training loss of each epoch: cross-entropy with hard labels or the "
    "teacher's best states, KL for soft targets. So the curves of different targets "
    "cannot be compared.",
    "kl": "Mean KL(teacher || student) on development strings; the teacher is the "
    "trained one.",
    "agreement": "Frames in which the best state is the teacher's.",
    "wer": "Word error rate on development strings, with the decoder that was chosen "
    "at the end on all of them.",
}


def training(run: Run) -> Section:
    """Curves of loss, KL, agreement and word error rate by epoch."""
    histories = [fold.history for fold in run.folds]
    if None in histories:
        raise LeftOut(run.lacking("history.json"))
    try:
        figures = [_figure(run, name) for name in _CURVES]
        strings = next(iter(histories[0].values()))["strings"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LeftOut(
            "history.json does not hold the same curves, of as many epochs, in all "
            f"folds: {error!r}"
        ) from error
    several = f", means of {len(histories)} folds" if histories[1:] else ""
    text = (
        f"Measured after each epoch{several}; all but the loss on the first {strings} "
        "development strings of the fold. The same numbers are in tensorboard/ of each "
        "fold."
    )
    return Section(text, figures)


def _figure(run, name):
    title, label, factor = _CURVES[name]
    models = [model for model, found in run.folds[0].history.items() if name in found]
    systems = [run.folds[0].history[model]["system"] for model in models]
    curves = {
        system: [factor * np.array(fold.history[model][name]) for fold in run.folds]
        for system, model in zip(systems, models, strict=True)
    }
    means = {system: np.mean(values, axis=0) for system, values in curves.items()}
    epochs = max(map(len, means.values()))
    plot = svg.Plot(
        x=(1, epochs),
        y=svg.span(np.concatenate(list(means.values()))),
        x_label="epoch",
        y_label=label,
    )
    styles = lines_of(systems)
    for system, values in means.items():
        plot.line(enumerate(values, start=1), *styles[system], True)
    header = ["system", *(["fold"] if run.folds[1:] else []), *range(1, epochs + 1)]
    rows = [
        row + [""] * (len(header) - len(row))  # the teacher may have fewer epochs
        for system in systems
        for row in _rows(run, system, curves[system])
    ]
    return figure(
        title,
        plot.picture(f"{title} by epoch"),
        _CAPTIONS[name],
        table(list(map(str, header)), rows, texts=len(header) - epochs),
        legend([(system, *styles[system]) for system in systems]),
    )


def _rows(run, system, values: Sequence[np.ndarray]):
    for fold, numbers in zip(run.folds, values, strict=True):
        name = [fold.name] if run.folds[1:] else []
        yield [system, *name, *(f"{number:.4g}" for number in numbers)]
