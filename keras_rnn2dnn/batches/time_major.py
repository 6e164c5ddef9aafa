"""Tells data whose first axis is time, `(frames, batch, features)`."""

import logging

_LOG = logging.getLogger(__name__)


def check_axes(x: tuple, **others: tuple | None) -> None:
    """Refuses a batch whose axes are those of time-major data.

    Features alone do not tell; labels and weights beside them do. Where there are as
    many utterances as frames nothing does, which is logged as a warning.

    Args:
        x: shape of the features; unknown sizes are None.
        **others: shapes of what belongs to the frames, `(batch, frames)`, by its name;
            others, and None, do not count.

    Raises:
        ValueError: if one is transposed.

    Example:
        >>> check_axes((8, 60, 24), sample_weight=(8, 60), y=(8,))
        >>> check_axes((60, 8, 24), sample_weight=(8, 60))
        Traceback (most recent call last):
        ...
        ValueError: Invalid value for `sample_weight`. Expected the axes (batch, frames)
        of the features, (60, 8). Received: (8, 60). If the features are time-major,
        (frames, batch, features), transpose them
    """
    axes = tuple(x[:2])
    if len(x) < 3 or None in axes:
        return
    given = {
        name: tuple(shape[:2])
        for name, shape in others.items()
        if shape is not None and len(shape) >= 2
    }
    for name, found in given.items():
        if found == axes[::-1] and found != axes:
            raise ValueError(
                f"Invalid value for `{name}`. Expected the axes (batch, frames) of the "
                f"features, {axes}. Received: {found}. If the features are time-major, "
                "(frames, batch, features), transpose them"
            )
    if axes[0] == axes[1] > 1:
        _LOG.warning(
            "As many utterances as frames, %d: time-major data would not be noticed. "
            "Expected features (batch, frames, ...)",
            axes[0],
        )
