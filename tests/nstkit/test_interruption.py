"""A signal that asks for an end is Ctrl-C everywhere, waits for a save, and stays ignored where it was."""

import signal
import threading

import pytest

from nstkit.interruption import ENDS, Interruption, ends_interrupt, uninterrupted


@pytest.fixture(autouse=True)
def python_handlers():
    """The handlers that a process has which was started at a prompt; a shell's background jobs ignore Ctrl-C."""
    before = {number: signal.getsignal(number) for number in ENDS}
    for number in ENDS:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ENDS)
def test_every_end_is_an_interrupt(number):
    with ends_interrupt(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_signal_that_is_ignored_stays_so():  # as nohup starts a command
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with ends_interrupt(), Interruption() as interruption, uninterrupted():
        signal.raise_signal(signal.SIGHUP)
    assert not interruption.is_asked
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


@pytest.mark.parametrize("number", ENDS)
def test_interrupts_wait_for_the_save_and_end_the_work_behind_it(number):
    saved = []

    def save():
        with uninterrupted():
            signal.raise_signal(number)
            signal.raise_signal(number)
            saved.append("picture")

    with ends_interrupt(), pytest.raises(KeyboardInterrupt):
        save()
    assert saved == ["picture"]


def test_error_of_a_save_is_not_hidden_by_a_signal():
    def save():
        with uninterrupted():
            signal.raise_signal(signal.SIGTERM)
            raise OSError("full")

    with ends_interrupt(), pytest.raises(OSError, match="full"):
        save()


@pytest.mark.parametrize("number", ENDS)
def test_first_signal_is_a_request_its_echo_nothing_and_a_later_one_an_end(number, capsys, monkeypatch):
    monkeypatch.setattr("nstkit.interruption.time.monotonic", lambda: now_s)
    before, now_s = {each: signal.getsignal(each) for each in ENDS}, 7.0
    with Interruption() as interruption:
        assert not interruption.is_asked
        for _ in range(2):  # once from the terminal, once passed on by `uv run`
            signal.raise_signal(number)
            assert interruption.is_asked
        assert capsys.readouterr().err == "stopping as soon as all is saved; once more stops at once\n"
        now_s += 2
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert {each: signal.getsignal(each) for each in before} == before


def test_signals_are_given_back_after_an_error():
    before = signal.getsignal(signal.SIGTERM)

    def work():
        with Interruption():
            assert signal.getsignal(signal.SIGTERM) != before
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert signal.getsignal(signal.SIGTERM) == before


def test_in_another_thread_signals_stay_as_they_are():
    before, seen = signal.getsignal(signal.SIGINT), []

    def work():
        with Interruption() as interruption:
            seen.extend([signal.getsignal(signal.SIGINT), interruption.is_asked])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before, False]
