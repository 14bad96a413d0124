"""Pictures: which files are some, a file in, a tensor out, and whole files again."""
