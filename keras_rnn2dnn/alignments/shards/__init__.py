"""A store on disk: shards of TFRecords, and a manifest.

- `manifest`: what the store holds; `records`: how an utterance lies in a shard
- `writer`, `data_sums`, `merging`: writing, so that it can go on
- `reader`, `length_buckets`, `files`, `index`, `batch_arrays`: reading, in batches
- `integrity`: whether a shard is as it was written
"""
