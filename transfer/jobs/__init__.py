"""Lists of jobs: a picture each, known by all that determines it, painted once by this process or by many."""
