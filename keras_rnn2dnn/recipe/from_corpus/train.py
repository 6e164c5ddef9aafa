"""The whole way from a corpus to a verified bundle: `train_corpus`."""

import dataclasses
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import keras_rnn2dnn
from keras_rnn2dnn.audio.streams import StreamOptions
from keras_rnn2dnn.deploy import Verification, verify
from keras_rnn2dnn.deploy.verify import Outcome
from keras_rnn2dnn.recipe.from_corpus.lexicon import topology_of
from keras_rnn2dnn.recipe.from_corpus.long_recordings import cut_to_words, is_long
from keras_rnn2dnn.recipe.from_corpus.outcome import TrainedCorpus
from keras_rnn2dnn.recipe.from_corpus.own_teacher import OwnTeacher, OwnTeacherRun
from keras_rnn2dnn.recipe.from_corpus.parts import read_parts
from keras_rnn2dnn.recipe.from_corpus.plan import Plan, make_plan
from keras_rnn2dnn.recipe.from_corpus.student_size import TIME_DELAY, fitting_student
from keras_rnn2dnn.recipe.material import feature_spec
from keras_rnn2dnn.recipe.measured import MeasuredRun
from keras_rnn2dnn.recipe.run import RecipeRun
from keras_rnn2dnn.recipe.settings import Recipe
from keras_rnn2dnn.recipe.streams import stream_topology
from keras_rnn2dnn.recipe.trained import write_json
from keras_rnn2dnn.report import table, write_report
from keras_rnn2dnn.util.checksums import without_sum
from keras_rnn2dnn.util.files import new_file
from keras_rnn2dnn.util.progress import StageProgress

_SYSTEMS = {
    table.TEACHER: "teacher",
    table.HARD: "hard",
    table.DISTILLED: "distilled",
    table.ALONE: "without_teacher",
}
_PLAN = "plan.json"
_NO_STREAMS = (
    "The teacher's features are not PCEN: in pauses it may hear words. So the student "
    "is trained for push-to-talk, on strings without pauses"
)
_LOG = logging.getLogger(__name__)


def train_corpus(
    corpus: str | Path,
    out: str | Path,
    *,
    words: Sequence[str] | None = None,
    speaker_pattern: str | None = None,
    noise: str | Path | None = None,
    unlabelled: str | Path | None = None,
    other: str | Path | None = None,
    teacher: str | Path | None = None,
    lexicon: str | Path | None = None,
    max_bytes: int | None = None,
    minutes: float | None = None,
    push_to_talk: bool = False,
    seed: int = 0,
    tell: Callable[[str], None] | None = None,
) -> TrainedCorpus:
    """Makes of recordings a teacher, a student and a verified firmware bundle.

    The recordings are split by speaker, or by file where nobody tells the speakers.
    What is heard, word strings in noise, is aligned from its transcripts alone; on that
    the recurrent teacher learns, and a student of hard labels for comparison. The
    student that goes to the device learns from the teacher.

    A run that was stopped goes on when it is called again with the same arguments: what
    is finished is not done again, and a training goes on after its last whole epoch.

    Args:
        corpus: a directory of folders by word or of another layout that
            `audio.corpora.load_recordings` knows, a JSONL manifest, or a Kaldi
            directory.
        out: directory of the results; see `TrainedCorpus`.
        words: vocabulary; what else is said is heard as babble. All by default.
        speaker_pattern: of the files' names, such as `"{speaker}_{n}"`; guessed by
            default.
        noise: directory of audio without speech, in which words are heard, too.
        unlabelled: directory of audio of those who will speak: any of the words, nobody
            has written down which.
        other: directory of audio of speech that is none of the words: the student
            learns that it is none, beside what `words` leaves out.
        teacher: a `.keras` file of a teacher that exists. `features.json` and
            `decoder.json` beside it tell its features and states; see `OwnTeacher`.
        lexicon: how the words are spoken, so that they share the states of phones: a
            file, or `espeak:VOICE`; see `lexicon.topology_of`. Without one each word
            has states of its own, of which 150 words at most can have.
        max_bytes: of the int8 student; by default it has three layers of 80, 72 and 60
            units, each on three frames of the one before.
        minutes: that it may take, about: fewer epochs, strings and rounds.
        push_to_talk: for a device that listens while somebody speaks to it alone. By
            default the training has pauses, levels, backgrounds and other speech, as a
            device hears them that is left switched on; see `Recipe`. A teacher of one's
            own whose features are not PCEN, or not told, is for push-to-talk alone.
        seed: of everything random.
        tell: called with a sentence on what was found, before the work begins; by
            default they are logged.

    Returns:
        What was trained, measured and proven.

    Raises:
        FileNotFoundError: if there is no audio, or no teacher.
        ImportError: if an extra is missing; holds the pip line.
        ValueError: if nothing can be trained on the corpus, the teacher does not fit,
            an argument is out of its range, or `plan.json` of an earlier run is
            damaged.
        OSError: if `out` cannot be written.
    """
    out, tell = Path(out), tell or _LOG.info
    own = None if teacher is None else OwnTeacher.load(teacher)
    if own and not push_to_talk and not own.is_for_streams:
        push_to_talk = True
        tell(_NO_STREAMS)
    rate = own.spec.sample_rate_hz if own and own.spec else None
    given = words, speaker_pattern, noise, unlabelled, other, rate, seed
    parts = read_parts(corpus, *given)
    for sentence in parts.told:
        tell(sentence)
    if own:
        topology = own.topology_for(parts.split.vocabulary)
    else:
        topology = topology_of(parts.split.vocabulary, lexicon)
        streams = None if push_to_talk else StreamOptions()
        topology = stream_topology(topology, parts.split, streams)
    out.mkdir(parents=True, exist_ok=True)  # what cannot be written is known now
    sizes = dict(TIME_DELAY)
    if max_bytes is not None:
        features = ((own and own.spec) or feature_spec(8000)).num_features
        sizes = fitting_student(features, topology.num_states, max_bytes)
    split, sparse = _without_silence(parts.split, topology, seed, tell)
    options = {"own_teacher": bool(own), "minutes": minutes, "sparse": sparse}
    options |= {"push_to_talk": push_to_talk, **sizes}
    asked = {"told": parts.told, "max_bytes": max_bytes, **options}
    plan = _kept_plan(
        out / _PLAN, asked, lambda: make_plan(split, topology.num_states, **options)
    )
    tell(_about(plan, minutes))
    progress = StageProgress(len(plan.seconds), seconds=plan.seconds)
    given = split, out, plan.recipe, seed, progress
    if own:
        run: RecipeRun = OwnTeacherRun(own, *given, topology=topology)
    else:
        run = RecipeRun(*given, topology=topology)
    outputs = MeasuredRun(run, _SYSTEMS).outputs()
    write_json(out / "decoder.json", run.distilled.decoder.to_dict())
    name = Path(corpus).resolve().name
    title = f"{name}: {len(split.vocabulary)} words, {parts.how_split}"
    rows = _write(out, f"{title}; seed {seed}", outputs)
    found = _verified(run, progress)
    progress.start("report")
    write_report(out)
    progress.finish()
    return TrainedCorpus(out, rows, found, split.by_speaker)


def _without_silence(split, topology, seed, tell):
    """Returns the split, long recordings of its training cut, and whether there are."""
    long = sum(map(is_long, split.train))
    if long:
        tell(f"{long} long recordings of the training are cut to where their words are")
        cut = cut_to_words(split.train, topology, seed)
        split = dataclasses.replace(split, train=cut)
    return split, bool(long)


def _kept_plan(path: Path, asked: dict, make: Callable[[], Plan]) -> Plan:
    """Returns the plan of the same run before, or a new one: times differ."""
    asked = {**asked, "version": keras_rnn2dnn.__version__}
    asked = json.loads(json.dumps(asked))  # with lists for tuples
    if path.is_file():
        try:
            kept = without_sum(json.loads(path.read_text()))
            if kept["asked"] == asked:
                return Plan(Recipe.from_dict(kept["recipe"]), kept["seconds"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"Cannot go on with {str(path.parent)!r}: {path.name} is damaged. "
                f"Expected the plan of an earlier run. Received: {error}. Remove it to "
                "begin anew"
            ) from error
    plan = make()
    write_json(path, {"asked": asked, **dataclasses.asdict(plan)})
    return plan


def _about(plan, minutes):
    recipe = plan.recipe
    strings = recipe.transcribed_strings + recipe.unlabelled_strings
    text = (
        f"About {max(1, round(plan.minutes))} minutes: {recipe.teacher_epochs} epochs "
        f"of the teacher and {recipe.student_epochs} of each student, of {strings} "
        f"word strings, {recipe.rounds} round{'s' * (recipe.rounds > 1)}"
    )
    if minutes is not None and plan.minutes > minutes:
        text += f", the least that can be; {minutes:g} are too few"
    return text


def _write(out, title, outputs):
    """Writes what the report is made of; returns the rows of the table."""
    rows = table.table_rows(outputs)
    table.write_hypotheses(out, outputs)
    table.write_table(out, title, rows)
    with new_file(out / "run.json") as path:
        path.write_text(json.dumps({"title": title, "folds": ["."]}, indent=2) + "\n")
    return rows


def _verified(run, progress):
    """Verifies the bundle, or takes what was found before."""
    progress.start("verify")
    kept = run.steps.result("verify")
    if kept is not None:
        return Verification(tuple(Outcome(**fields) for fields in kept["outcomes"]))
    found = verify(run.bundle, on_progress=lambda _, share: progress.update(share))
    files = [path for path in run.bundle.rglob("*") if path.is_file()]
    run.steps.finish("verify", found.to_dict(), files)
    return found
