"""Bar files of others: recognised, read, set in order, imported."""
