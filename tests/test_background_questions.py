"""Questions to a distant service: cached, refreshed, and kept while a refresh fails; with a clock by hand."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from nightlights.errors import EarthEngineError
from nightlights.interface.background import RETRY_S, Background, Reply

START = datetime(2026, 3, 1, 14, 5, tzinfo=UTC)
FAILURE = EarthEngineError("Earth Engine cannot be reached.", "Check the network.")


class Service:
    """Gives a number, or fails; counts the calls, by the time of a clock set by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.calls: list[float] = []
        self.fails = False
        self.questions = Background(
            clock=lambda: self.seconds, moment=lambda: START + timedelta(seconds=self.seconds)
        )

    def work(self) -> int:
        self.calls.append(self.seconds)
        if self.fails:
            raise FAILURE
        return len(self.calls)

    def ask(self, at: float, *, valid_s: float = float("inf")) -> Reply[int]:
        """Ask at a time, once more after what that has begun has ended."""
        self.seconds = at
        self.questions.ask("q", self.work, 5.0, valid_s)
        self.settle()
        return self.questions.ask("q", self.work, 5.0, valid_s)

    def settle(self) -> None:
        """Wait until nothing is under way."""
        question = self.questions._questions["q"]
        for each in (question, question.newer):
            while each is not None and each.finished is None:
                assert each.future.exception(10) in (None, FAILURE)


@pytest.fixture
def service() -> Service:
    return Service()


def test_an_answer_is_refreshed_when_it_is_old(service: Service) -> None:
    assert service.ask(0.0).future.result(5) == 1
    assert service.ask(4.0).future.result(5) == 1
    reply = service.ask(6.0)
    assert (reply.future.result(5), reply.as_of, reply.age_s) == (2, START + timedelta(seconds=6), 0.0)
    assert service.calls == [0.0, 6.0]


def test_an_old_answer_is_given_while_its_refresh_is_under_way(service: Service) -> None:
    go_on = threading.Event()
    service.ask(0.0)
    service.seconds = 9.0

    def slow() -> int:
        go_on.wait(20)
        return 7

    for _ in range(3):
        reply = service.questions.ask("q", slow, 5.0)
        assert (reply.future.result(5), reply.age_s, reply.refresh_failure) == (1, 9.0, None)
    go_on.set()
    service.settle()
    assert service.questions.ask("q", slow, 5.0).future.result(5) == 7


def test_a_good_answer_stays_when_its_refresh_fails_and_the_failure_is_retried(service: Service) -> None:
    service.ask(0.0)
    service.fails = True
    for at in (6.0, 7.0, 6.0 + RETRY_S):
        reply = service.ask(at)
        assert (reply.future.result(5), reply.as_of, reply.age_s) == (1, START, at)
        assert reply.refresh_failure is FAILURE
    assert service.calls == [0.0, 6.0]
    later = 7.0 + RETRY_S
    assert service.ask(later).refresh_failure is FAILURE
    assert service.calls == [0.0, 6.0, later]
    service.fails = False
    service.ask(later + 1.0)
    assert service.calls == [0.0, 6.0, later]
    recovered = service.ask(later + 1.0 + RETRY_S)
    assert (recovered.future.result(5), recovered.refresh_failure, recovered.age_s) == (4, None, 0.0)


def test_a_failure_without_an_earlier_answer_is_given_and_retried(service: Service) -> None:
    service.fails = True
    for at in (0.0, 6.0, RETRY_S):
        assert service.ask(at).future.exception(5) is FAILURE
    assert service.calls == [0.0]
    service.fails = False
    assert service.ask(RETRY_S + 1.0).future.result(5) == 2


def test_an_answer_that_is_not_valid_any_more_gives_way_to_the_failure(service: Service) -> None:
    service.ask(0.0, valid_s=100.0)
    service.fails = True
    assert service.ask(90.0, valid_s=100.0).future.result(5) == 1
    assert service.ask(101.0, valid_s=100.0).future.exception(5) is FAILURE
    assert service.calls == [0.0, 90.0]
    service.fails = False
    reply = service.ask(91.0 + RETRY_S, valid_s=100.0)
    assert (reply.future.result(5), reply.refresh_failure) == (3, None)


def test_an_expired_answer_is_not_given_while_a_new_one_is_under_way(service: Service) -> None:
    service.ask(0.0, valid_s=100.0)
    go_on = threading.Event()

    def slow() -> int:
        go_on.wait(20)
        return 7

    service.seconds = 101.0
    reply = service.questions.ask("q", slow, 5.0, 100.0)
    assert not reply.future.done()
    go_on.set()
    assert reply.future.result(5) == 7


def test_a_forgotten_question_is_asked_again_at_once(service: Service) -> None:
    service.fails = True
    service.ask(0.0)
    service.fails = False
    service.questions.forget("q")
    assert service.ask(1.0).future.result(5) == 2
