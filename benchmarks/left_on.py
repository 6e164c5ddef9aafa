"""Word errors of a bundle that is left switched on: pauses, noise, levels, no speech.

Trains students on the official split of the Free Spoken Digit Dataset: with a running
mean on word strings, with PCEN on the same, and with PCEN on streams of them, in which
pauses, backgrounds, levels and other speech occur. Each becomes a bundle, and its
arithmetic hears the test strings in numpy, every row of the table as one stream from
its first sample on: never reset, never finished but at its end.

`--other` is a directory of recordings of anything but the words. The first half of its
files, in the order of their names, is trained on (in streams), the second half heard.

Can be stopped and called again with the same arguments: what is finished is kept.
"""

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np

from keras_rnn2dnn import word_error_rate
from keras_rnn2dnn.audio.corpora.listing import list_corpus
from keras_rnn2dnn.audio.corpora.loading import AudioLoader
from keras_rnn2dnn.audio.corpora.recordings import Recording
from keras_rnn2dnn.audio.streams import backgrounds
from keras_rnn2dnn.demo.data import demo_recordings, split_recordings
from keras_rnn2dnn.deploy import load_bundle
from keras_rnn2dnn.deploy.golden import int16_pcm
from keras_rnn2dnn.recipe import Recipe, RecipeRun
from keras_rnn2dnn.recipe.bundle import make_bundle
from keras_rnn2dnn.util.files import Audio, new_file
from keras_rnn2dnn.util.progress import StageProgress

STUDENTS = {
    "running mean, strings": {"features": "running mean", "streams": None},
    "PCEN, strings": {"streams": None},
    "PCEN, streams": {},
}
QUICK = {
    "transcribed_strings": 150,
    "unlabelled_strings": 0,
    "teacher_epochs": 3,
    "student_epochs": 3,
}
QUICK |= {"num_banks": 1, "development_strings": 20}
SHARES = {1: 1, 10: 2, 60: 6}  # seconds of a pause: of how many pairs one is heard


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="the recordings (FSDD)")
    parser.add_argument("--other", help="recordings of other speech")
    parser.add_argument("--out", type=Path, required=True, help="of the results")
    parser.add_argument("--student", default="distilled", choices=["distilled", "hard"])
    names = ", ".join(map(repr, STUDENTS))
    parser.add_argument("--only", nargs="+", metavar="NAME", help=f"some of {names}")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--units", default="64,64", help="of the students")
    parser.add_argument("--strings", type=int, default=120, help="an even number")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--quick", action="store_true", help="minutes: too little of all"
    )
    options = parser.parse_args()
    recipe = Recipe(
        transcribed_strings=1000,
        unlabelled_strings=500,
        speeds=(1.0,),
        teacher_epochs=options.epochs,
        student_epochs=options.epochs,
        student_units=tuple(map(int, options.units.split(","))),
        test_strings=options.strings,
        agreed_by="itself",
    )
    if options.quick:
        recipe = dataclasses.replace(recipe, **QUICK, test_strings=20)
    split = split_recordings(demo_recordings(options.data), "official")
    trained, unheard = other_speech(options.other, split.train[0].sample_rate_hz)
    split = dataclasses.replace(split, other_speech=trained)
    table, strings = {}, recipe.test_strings
    for name in options.only or STUDENTS:
        settings = STUDENTS[name]
        own = dataclasses.replace(recipe, **settings)
        run = RecipeRun(split, options.out / name, own, options.seed, StageProgress(12))
        kept = options.out / f"{name}, {options.student}.json"
        if not kept.is_file():
            found = measured(run, options.student, unheard)
            with new_file(kept) as path:
                path.write_text(json.dumps(found))
        table[name] = json.loads(kept.read_text())
    sizes = "-".join(map(str, recipe.student_units))
    print(
        f"Students of {sizes}, {options.student}, {recipe.student_epochs} epochs, ",
        end="",
    )
    print(f"seed {options.seed}; {strings} strings\n")
    print("|", *table, "", sep=" | ")
    print("|---" * (1 + len(table)) + "|")
    for row in next(iter(table.values())):
        print(f"| {row}", *(found[row] for found in table.values()), "", sep=" | ")


def measured(run, student, unheard):
    """Returns the rows of a student by what is heard."""
    recognizer = load_bundle(bundle_of(run, student)).recognizer
    audio = Audio.load(run.out / "test_audio.npz")
    said = [tuple(words.split()) for words in audio.transcripts]
    return dict(rows(recognizer, audio.samples, said, unheard))


def other_speech(directory, sample_rate_hz):
    """Returns other speech to train on and to be heard: nothing without a directory."""
    if directory is None:
        return [], []
    files = sorted(list_corpus(directory), key=lambda file: file.name)
    found = [
        Recording(samples, sample_rate_hz, (), file.name, 0)
        for file, samples in AudioLoader(files, sample_rate_hz)
    ]
    half = len(found) // 2
    return found[:half], [int16_pcm(r.samples) for r in found[half:]]


def bundle_of(run, student):
    """Trains a student and converts it; returns the directory of its bundle."""
    if student == "distilled":
        return run.bundle
    if not (run.out / "bundle" / "report.json").is_file():
        make_bundle(run.hard.model, run.hard.decoder, run.material, run.out)
    return run.out / "bundle"


def rows(recognizer, pcm, said, other):
    """Yields what is heard, and what the recogniser makes of it."""
    rate = recognizer.spec.sample_rate_hz
    rng = np.random.default_rng(0)

    def noise(seconds, rms):
        return rms * rng.standard_normal(round(seconds * rate))

    def errors(heard, words=said):
        found = [[w.text for w in x] for x in recognizer.recognize(heard)]
        result = word_error_rate(words[: len(heard)], found)
        return f"{result.errors} ({100 * result.wer:.1f} %)"

    yield "speech from the first sample on", errors(pcm)
    some = pcm[: len(pcm) // 4]
    yield f"the first {len(some)} strings of these", errors(some)
    for seconds in (0.2, 1, 3):
        zeros = np.zeros(round(seconds * rate), np.int16)
        heard = [np.concatenate([zeros, x]) for x in pcm]
        yield f"{seconds:g} s of zeros first", errors(heard)
    for rms in (10, 300):
        for seconds in (0, 0.3, 1, 5, 20):
            few = pcm if seconds < 5 else some
            heard = [with_noise(x, seconds, rms, noise, rate) for x in few]
            row = f"white noise of rms {rms} throughout, first word after {seconds:g} s"
            yield row, errors(heard)
    pairs = list(zip(pcm[::2], pcm[1::2], strict=True))
    words = [a + b for a, b in zip(said[::2], said[1::2], strict=True)]
    for seconds in SHARES:
        of_these = pairs[: max(1, round(len(pairs) / SHARES[seconds]))]
        alone = [x for pair in of_these for x in pair]
        yield f"the first {len(alone)} strings, each by itself", errors(alone)
        for rms in (0, 3, 30):
            heard = [between(a, b, noise(seconds, rms)) for a, b in of_these]
            yield f"two strings, {seconds} s of rms {rms} between", errors(heard, words)
    for gain in (-30, -20, 10, 20):
        heard = [to_int16(x * 10 ** (gain / 20)) for x in pcm]
        yield f"gain {gain:+d} dB", errors(heard)
    ghosts = [ghost_words(recognizer, a, b, noise(2, 3), rate) for a, b in pairs[:60]]
    row = "pauses of 2 s of rms 3 with a word in them"
    yield row, f"{sum(map(bool, ghosts))} of {len(ghosts)}"
    for what, heard in unspoken(rng, rate, other, len(pcm)).items():
        found = sum(map(len, recognizer.recognize(heard)))
        hours = sum(map(len, heard)) / rate / 3600
        yield f"{what}: false words an hour", f"{found / hours:,.0f}"


def with_noise(pcm, seconds, rms, noise, rate):
    heard = noise(seconds + len(pcm) / rate, rms)
    heard[-len(pcm) :] += pcm
    return to_int16(heard)


def between(first, second, pause):
    return to_int16(np.concatenate([first, pause, second]))


def ghost_words(recognizer, first, second, pause, rate):
    """Returns the words that are found for the most part in a pause."""
    start, end = (1000 * n / rate for n in (len(first), len(first) + len(pause)))
    (found,) = recognizer.recognize([between(first, second, pause)])
    return [w for w in found if start < (w.start_ms + w.end_ms) / 2 < end]


def unspoken(rng, rate, other, count):
    """Returns what is no speech, minutes of each, and other speech."""
    minute, silence = 60 * rate, {}
    each = max(1, count // 60)
    levels = [0, 3, 10, 30, 100, 300, 1000] * each
    silence["white noise of rms 0 to 1,000"] = [
        to_int16(level * rng.standard_normal(minute)) for level in levels
    ]
    for make in (backgrounds.click, backgrounds.knock, backgrounds.note):
        heard = []
        for _ in range(3 * each):
            x = 5 * rng.standard_normal(minute)
            for second in range(60):  # one a second
                sound = make(rng, rate)
                x[second * rate :][: len(sound)] += rng.uniform(500, 12_000) * sound
            heard.append(to_int16(x))
        silence[f"a {make.__name__} a second"] = heard
    hums = [backgrounds.hum(rng, minute, rate) for _ in range(3 * each)]
    silence["hum"] = [to_int16(rng.uniform(30, 1000) * hum) for hum in hums]
    return {**silence, **({"other speech": other[: 8 * count]} if other else {})}


def to_int16(samples):
    return np.clip(np.rint(samples), -32768, 32767).astype(np.int16)


if __name__ == "__main__":
    main()
