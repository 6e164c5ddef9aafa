"""What a corpus of so many hours takes: storage, teacher, network, student.

Arithmetic from rates that `throughput.py` measures, not a measurement: give those of
your own machines. A machine is what the rates were measured on.
"""

import argparse

FRAMES_PER_HOUR = 360_000  # 10 ms
SECONDS_PER_DAY = 86_400


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--hours", type=float, nargs=3, default=[1e3, 1e5, 1e6])
    add("--teacher-rate", type=float, default=10_000, help="frames/s of a machine")
    add("--student-rate", type=float, default=60_000, help="frames/s of a machine")
    add("--target-bytes", type=float, default=82, help="a frame")
    add("--feature-bytes", type=float, default=80, help="a frame: 40 of float16")
    add("--utterance-frames", type=float, default=372)
    add("--shard-megabytes", type=float, default=512)
    add("--parameters", type=float, default=580_000, help="of the student")
    add("--batch-frames", type=float, default=12_000, help="of a worker")
    add("--teachers", type=int, nargs=3, default=[16, 256, 1024], help="machines")
    add("--workers", type=int, nargs=3, default=[1, 16, 64], help="machines")
    add("--epochs", type=int, default=3)
    options = parser.parse_args()
    columns = [
        column(hours, *machines, options)
        for hours, *machines in zip(
            options.hours, options.teachers, options.workers, strict=True
        )
    ]
    for name in columns[0]:
        cells = "".join(f" {column[name]:>14} |" for column in columns)
        print(f"| {name:<46} |{cells}")


def column(hours, teachers, workers, options):
    """Returns the figures of one size of corpus, as text."""
    frames = hours * FRAMES_PER_HOUR
    frame_bytes = options.target_bytes + options.feature_bytes
    shard_frames = 1e6 * options.shard_megabytes / frame_bytes
    teacher_seconds = frames / options.teacher_rate
    student_seconds = options.epochs * frames / options.student_rate
    reading = options.student_rate * frame_bytes
    steps = options.student_rate / options.batch_frames
    gradients = 0 if workers == 1 else 2 * 4 * options.parameters * steps
    return {
        "hours": f"{hours:,.0f}",
        "frames": f"{frames:.1e}",
        "targets, GB": f"{options.target_bytes * frames / 1e9:,.0f}",
        "targets and features, GB": f"{frame_bytes * frames / 1e9:,.0f}",
        f"shards of {options.shard_megabytes:.0f} MB": f"{frames / shard_frames:,.0f}",
        "utterances a shard": f"{shard_frames / options.utterance_frames:,.0f}",
        "teacher, machine days": f"{teacher_seconds / SECONDS_PER_DAY:,.1f}",
        "machines for the teacher": f"{teachers:,}",
        "days of the teacher": f"{teacher_seconds / teachers / SECONDS_PER_DAY:,.2f}",
        f"student, {options.epochs} epochs, machine days": (
            f"{student_seconds / SECONDS_PER_DAY:,.2f}"
        ),
        "workers for the student": f"{workers:,}",
        "days of the student": f"{student_seconds / workers / SECONDS_PER_DAY:,.2f}",
        "reading the store, MB/s a worker": f"{reading / 1e6:,.1f}",
        "gradients, MB/s a worker": f"{gradients / 1e6:,.1f}",
        "reading the store, MB/s in all": f"{workers * reading / 1e6:,.0f}",
    }


if __name__ == "__main__":
    main()
