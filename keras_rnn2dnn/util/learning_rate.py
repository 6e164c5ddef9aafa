"""The learning rate over the steps of a training."""

import keras


def warmup_cosine(
    learning_rate: float, num_steps: int, warmup_steps: int, lowest: float = 0.01
) -> keras.optimizers.schedules.CosineDecay:
    """Returns a rate that rises from a tenth to the highest, and falls as a cosine.

    Args:
        learning_rate: highest.
        num_steps: training steps in all.
        warmup_steps: of them those of the rise.
        lowest: at the end, as a share of the highest.

    Example:
        >>> schedule = warmup_cosine(1.0, num_steps=100, warmup_steps=10)
        >>> [round(float(schedule(step)), 2) for step in (0, 10, 100)]
        [0.1, 1.0, 0.01]
    """
    return keras.optimizers.schedules.CosineDecay(
        0.1 * learning_rate,
        decay_steps=max(num_steps - warmup_steps, 1),
        alpha=lowest,
        warmup_target=learning_rate,
        warmup_steps=warmup_steps,
    )
