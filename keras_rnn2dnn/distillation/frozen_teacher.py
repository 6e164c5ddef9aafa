"""A model that holds a teacher: saved with it, but not trained, nor in checkpoints."""

import os

import keras


class TeacherHolder(keras.Model):
    """Keeps a teacher, or a list of them, outside of Keras's tracking.

    `save` writes the weights of the teacher into the `.keras` file, as assets;
    `save_weights` does not, since they never change.
    """

    def hold(self, teacher, **others) -> None:
        """Keeps the teacher, and what else Keras must neither train nor save.

        Args:
            teacher: Keras model, a list of them, or None.
            **others: become attributes of `_held`.
        """
        self._held = _Untracked(teacher=teacher, **others)

    # Without this, Keras would find the teacher when it walks over the attributes to
    # save, and write its weights into every checkpoint.
    def __dir__(self):
        return [name for name in super().__dir__() if name != "teacher"]

    @property
    def teacher(self):
        """The teacher, the list of teachers, or None."""
        return self._held.teacher

    def compile_from_config(self, config):
        """Compiles a loaded model as it was, with its optimizer's state."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            self.optimizer.build(self.trainable_variables)

    def save_assets(self, directory):
        """Writes the teacher's weights beside the student's."""
        for number, model in enumerate(as_list(self.teacher)):
            model.save_weights(os.path.join(directory, _teacher_file(number)))

    def load_assets(self, directory):
        """Reads the teacher's weights."""
        for number, model in enumerate(as_list(self.teacher)):
            model.load_weights(os.path.join(directory, _teacher_file(number)))


class _Untracked:
    """Holds what Keras must not see."""

    def __init__(self, **items):
        self.__dict__.update(items)


def as_list(value) -> list:
    """Returns a list of models: of one, of several, or of none.

    Example:
        >>> as_list(None), as_list("a model"), as_list(("two", "models"))
        ([], ['a model'], ['two', 'models'])
    """
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _teacher_file(number):
    return f"teacher_{number}.weights.h5"
