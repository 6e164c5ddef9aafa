"""The input frames behind one output of a student."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ReceptiveField:
    """The input frames behind one output frame.

    Output frame `t` is computed from the input frames `t * stride - left` to
    `t * stride + right`, so that it is late by `right` frames on a device.

    Attributes:
        left: number of frames before the current one.
        right: number of frames after the current one.
        stride: input frames per output frame.

    Example:
        >>> ReceptiveField(left=15, right=5, stride=1).window
        21
    """

    left: int
    right: int
    stride: int = 1

    @property
    def window(self) -> int:
        """Number of frames in the context window, `left + 1 + right`."""
        return self.left + 1 + self.right

    @property
    def is_clip(self) -> bool:
        """Whether the window is a whole clip, which gives one output."""
        return False

    def to_dict(self) -> dict[str, Any]:
        """Returns `context` of the report."""
        found = {"left": self.left, "right": self.right, "stride": self.stride}
        found["window"] = self.window
        return {**found, "clip": True} if self.is_clip else found


@dataclass(frozen=True)
class WholeClip(ReceptiveField):
    """The field of an utterance-level student: all frames of a clip, which has so many.

    Example:
        >>> WholeClip.of(49)
        WholeClip(left=48, right=0, stride=49)
    """

    @classmethod
    def of(cls, frames: int) -> "WholeClip":
        """Returns that of clips of so many frames."""
        return cls(frames - 1, 0, frames)

    @property
    def is_clip(self) -> bool:
        """Whether the window is a whole clip, which gives one output."""
        return True

    def moving(self, step: int) -> ReceptiveField:
        """Returns the field of a window that moves over a stream by so many frames.

        Example:
            >>> WholeClip.of(49).moving(10)
            ReceptiveField(left=48, right=0, stride=10)
        """
        return ReceptiveField(self.left, 0, step)


def field_of(context: Mapping[str, Any]) -> ReceptiveField:
    """Returns the field of `context` of a report.

    Example:
        >>> field_of(WholeClip.of(3).to_dict())
        WholeClip(left=2, right=0, stride=3)
    """
    kind = WholeClip if context.get("clip") else ReceptiveField
    return kind(context["left"], context["right"], context["stride"])
