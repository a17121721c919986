"""What is in force is one reference; what was in force stays known to the runs that began under it."""

from __future__ import annotations

from dataclasses import replace

from fleet.config.catalogue import load_roles
from fleet.config.inforce import REMEMBERED, InForce
from fleet.testing.scene import load, member

LOADED = load((member("dev", "developer"),), load_roles())


def test_a_replaced_configuration_is_seen_at_once_and_the_old_one_stays_known() -> None:
    first, second = replace(LOADED, digest="1"), replace(LOADED, digest="2")
    holder = InForce(first)
    holder.replace(second)
    assert holder() is second
    assert holder.at("1") is first
    assert holder.at("2") is second


def test_an_unknown_hash_means_the_present_one() -> None:
    assert InForce(LOADED).at("nowhere") is LOADED


def test_what_was_in_force_before_a_restart_can_be_given() -> None:
    old = replace(LOADED, digest="1")
    assert InForce(LOADED, [old]).at("1") is old


def test_the_oldest_are_forgotten_and_the_present_one_never() -> None:
    holder = InForce(replace(LOADED, digest="0"))
    for number in range(1, REMEMBERED + 5):
        holder.replace(replace(LOADED, digest=str(number)))
    assert holder.at("0") is holder()
    assert holder.at("9").digest == "9"


def test_one_that_comes_back_is_young_again() -> None:
    holder = InForce(replace(LOADED, digest="back"))
    for number in range(REMEMBERED + 5):
        holder.replace(replace(LOADED, digest=str(number)))
        if number % 10 == 0:
            holder.replace(replace(LOADED, digest="back"))
    assert holder.at("back").digest == "back"
