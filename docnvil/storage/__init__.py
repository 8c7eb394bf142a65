"""Files that docnvil writes for people and reads back: model folders, checkpoints, tables."""
