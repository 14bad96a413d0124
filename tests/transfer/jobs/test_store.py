"""Finished pictures: found again by the key of their job, and by no other."""

from transfer.jobs.store import Store


def test_picture_is_found_with_its_numbers_by_its_key_alone(tmp_path, draw_picture):
    store, picture = Store(tmp_path / "images"), draw_picture((20, 12))
    assert store.find("a-b", "key") is None
    path = store.keep("a-b", "key", {"loss/style": 0.5, "trace": [[1, 0.1, 2.0]]}, picture)
    assert path == tmp_path / "images" / "a-b.png"
    assert store.find("a-b", "key") == {"loss/style": 0.5, "trace": [[1, 0.1, 2.0]], "job": "key"}
    assert store.find("a-b", "other") is None


def test_picture_that_others_have_changed_is_not_finished(tmp_path, draw_picture):
    store = Store(tmp_path)
    path = store.keep("a", "key", {}, draw_picture((20, 12)))
    draw_picture((20, 12)).save(path)
    assert store.find("a", "key") is None
    path.write_bytes(path.read_bytes()[:100])
    assert store.find("a", "key") is None
