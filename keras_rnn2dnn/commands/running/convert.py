"""`rnn2dnn convert`: from a trained student to int8 and a firmware bundle."""

import argparse
from pathlib import Path

from keras_rnn2dnn.audio.feature_spec import FeatureSpec
from keras_rnn2dnn.commands.running import inputs
from keras_rnn2dnn.commands.running.project import written
from keras_rnn2dnn.commands.running.sources import FeatureSource
from keras_rnn2dnn.commands.terminal import say
from keras_rnn2dnn.deploy import convert, write_project
from keras_rnn2dnn.deploy.bundle import check_directory
from keras_rnn2dnn.deploy.projects import check_project
from keras_rnn2dnn.distillation.model_files import load_model
from keras_rnn2dnn.util.errors import invalid

_MOST_UTTERANCES = 2000


def run(options: argparse.Namespace) -> int:
    """Converts a student; returns the exit code."""
    check_directory(options.out)
    if options.project:
        _check_project(options)
    student = load_model(options.student)
    spec = inputs.feature_spec(options.features) if options.features else None
    alike = options.normalisation
    source = FeatureSource(options.calibration, spec, options.strict, tuple(alike))
    calibration = source.utterances(_MOST_UTTERANCES)
    spec = spec or _of_source(source)
    decode = references = None
    if options.decoder:
        decode, references = inputs.decoder(options.decoder), calibration.transcripts
    recordings = ()
    if options.recordings:
        if not isinstance(spec, FeatureSpec):
            expected = "a feature specification beside --recordings"
            raise ValueError(invalid("--features", expected, spec))
        rate = spec.sample_rate_hz
        recordings = inputs.audio(options.recordings, rate, options.strict, alike)
    report = convert(
        student,
        options.out,
        calibration.features,
        feature_spec=spec,
        decode=decode,
        references=references,
        recordings=recordings,
        frame_step_ms=options.frame_step_ms,
        seed=options.seed,
        ranges=options.ranges,
        activations=options.activations,
        prefix=options.prefix,
        keep_images=options.keep_images,
        no_c=True,  # said below, once
    )
    say(str(report))
    if options.project:
        say(written(write_project(options.out, options.project, _project(options))))
    if report.missing_c is None or options.no_c:
        return 0
    say(f"{report.missing_c}. --no-c accepts that")
    return 1


def _project(options):
    """Returns where a project goes: below the bundle, under the name of its kind."""
    return Path(options.out) / options.project


def _check_project(options):
    if not options.decoder:
        expected = "a decoder beside --project, which has C code from PCM to words"
        raise ValueError(invalid("--decoder", expected, None))
    check_project(options.project, _project(options))


def _of_source(source):
    """Returns the specification of a store; as it is where it is not one of ours."""
    spec = source.feature_spec()
    try:
        return FeatureSpec.from_dict(spec) if isinstance(spec, dict) else spec
    except (TypeError, ValueError):
        return spec
