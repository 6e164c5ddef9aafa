"""Helpers that know nothing of speech: errors, files, sums, progress.

- `errors`: the grammar of error messages; extras that are missing
- `files`, `zip_files`, `epoch_backup`: files that are whole at every moment
- `checksums`, `bundle_checksums`: by which damaged files are recognised
- `progress`, `captured_output`, `tensorboard`: what a long run tells
- `log_softmax`, `running_means`, `learning_rate`: of numbers
- `xla`, `multi_worker`: of compilers and strategies
- `interrupts`: Ctrl-C during the imports
- `first_import`: what waits until a module of others is imported
"""
