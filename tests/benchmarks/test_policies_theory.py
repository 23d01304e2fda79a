"""The formulas, against each other and against values that are known."""

import math

import pytest

from benchmarks.policies.theory import erlang, erlang_c, gim1, interrupted_poisson, mdc_mean, mg1_mean, mix, mm1, mmc

LOADS = (0.1, 0.5, 0.9, 0.95)


@pytest.mark.parametrize("load", LOADS)
def test_quantiles_of_one_server_are_those_of_an_exponential(load: float) -> None:
    for share in (0.5, 0.99):
        assert mm1(load, 1.0).quantile(share) == pytest.approx(-math.log(1 - share) / (1 - load))


@pytest.mark.parametrize("load", LOADS)
def test_poisson_arrivals_are_a_special_case_of_general_ones(load: float) -> None:
    assert gim1(erlang(load, 1), 1.0).mean == pytest.approx(mm1(load, 1.0).mean)


@pytest.mark.parametrize("load", LOADS)
def test_a_source_that_is_hardly_ever_off_is_a_poisson_process(load: float) -> None:
    assert gim1(interrupted_poisson(load, on=1e6, off=1e-6), 1.0).mean == pytest.approx(mm1(load, 1.0).mean)


@pytest.mark.parametrize("load", LOADS)
def test_one_server_is_a_special_case_of_many(load: float) -> None:
    many, one = mmc(load, 1.0, 1), mm1(load, 1.0)

    assert (many.mean, many.quantile(0.99)) == pytest.approx((one.mean, one.quantile(0.99)))


def test_two_servers_wait_as_the_textbook_says() -> None:
    load = 0.7

    assert erlang_c(2 * load, 2) == pytest.approx(2 * load**2 / (1 + load))


def test_many_servers_whose_drain_equals_the_service_rate_have_a_tail_like_their_neighbours() -> None:
    near, exact = mmc(1.0 + 1e-5, 1.0, 2), mmc(1.0, 1.0, 2)

    assert exact.tail(2.0) == pytest.approx(near.tail(2.0), rel=1e-4)


@pytest.mark.parametrize("load", LOADS)
def test_equal_work_at_one_server_waits_half_as_long_as_exponential_work(load: float) -> None:
    assert mdc_mean(load, 1) == pytest.approx(mg1_mean(load, 1.0))
    assert mg1_mean(load, 1.0) - 1 == pytest.approx((mg1_mean(load, 2.0) - 1) / 2)
    assert mg1_mean(load, 2.0) == pytest.approx(mm1(load, 1.0).mean)


@pytest.mark.parametrize("load", LOADS)
def test_one_queue_beats_turns_and_turns_beat_chance(load: float) -> None:
    bound, turns, chance = mmc(4 * load, 1.0, 4), gim1(erlang(4 * load, 4), 1.0), mm1(load, 1.0)

    assert bound.mean < turns.mean < chance.mean
    assert bound.quantile(0.99) < turns.quantile(0.99) < chance.quantile(0.99)


def test_means_are_the_integrals_of_tails() -> None:
    mixed = mix([(0.25, mm1(0.05, 0.1)), (0.75, mmc(1.5, 1.0, 2))])
    step = 0.01

    integral = sum(mixed.tail((number + 0.5) * step) * step for number in range(100_000))

    assert integral == pytest.approx(mixed.mean, rel=1e-4)


def test_more_work_than_one_server_can_do_is_refused() -> None:
    with pytest.raises(ValueError, match="no limit"):
        mm1(1.0, 1.0)
