import torch

from transfer.judges.memory import Memory

VALUE_BYTES = torch.zeros(10).nbytes


def test_what_was_not_asked_for_longest_is_forgotten_first():
    made = []

    def recall(key):
        memory.recall(key, lambda: made.append(key) or torch.zeros(10))

    memory = Memory(2 * VALUE_BYTES)
    for key in "abacba":
        recall(key)
    assert made == ["a", "b", "c", "b", "a"]


def test_one_that_is_too_large_alone_is_kept_until_the_next():
    memory = Memory(VALUE_BYTES)
    large = memory.recall("large", lambda: torch.zeros(100))
    assert memory.recall("large", lambda: torch.ones(100)) is large
    memory.recall("small", lambda: torch.zeros(1))
    assert memory.recall("large", lambda: torch.ones(100)) is not large
