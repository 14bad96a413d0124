"""Data sets of labelled pictures in three parts: read, split, kept in memory or streamed from the disk."""
