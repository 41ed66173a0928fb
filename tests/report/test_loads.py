from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from placer.host import Host, RunningDomain
from placer.report.loads import load_of, loads_of
from tests import sample_runs
from tests.builders import make_domain, make_host, make_problem


def host_of_uneven_pnodes() -> Host:
    """Two cores of two threads, one core of one thread, and no pcpus."""
    return make_host(
        [4096, 4096, 4096],
        pcpu_ids=[0, 1, 2, 3, 4],
        pcpu_pnode=[0, 0, 0, 0, 1],
        pcpu_socket=[0, 0, 0, 0, 1],
        pcpu_core=[7, 7, 2, 2, 4],
        distances=[[10, 20, 20], [20, 10, 20], [20, 20, 10]],
    )


def test_sibling_threads_are_pcpus_of_one_core() -> None:
    load = load_of(host_of_uneven_pnodes(), [])
    assert load.pcpus.tolist() == [4, 1, 0]
    assert load.cores.tolist() == [2, 1, 0]


def test_a_pnode_without_pcpus_has_no_ratio() -> None:
    load = load_of(host_of_uneven_pnodes(), [])
    assert load.per_core(0) == 0
    assert load.per_core(2) is None
    assert load.per_thread(2) is None


def test_what_runs_counts_by_its_shared_vcpus_and_its_own_pcpus() -> None:
    host = make_host(
        [4096, 4096],
        cpus=6,
        threads=2,
        running=(
            RunningDomain(name="shared", pages=[0, 0], vcpus_on=[1, 2], floating_vcpus=5),
            RunningDomain(name="own", pages=[0, 0], vcpus_on=[0, 0], dedicated_pcpus=(0, 1)),
        ),
    )
    load = load_of(host, [])
    assert load.running.tolist() == [3, 2]
    assert load.per_core(0) == Fraction(3, 3)
    assert load.per_thread(0) == Fraction(3, 6)
    assert load.per_core(1) == Fraction(2, 3)


def test_vcpus_off_home_count_where_they_run() -> None:
    host = make_host([8192, 4096], cpus=2)
    run = sample_runs.solved(make_problem(host, make_domain([6144], 3, vcpu_to_vnode=[0, 0, 0])))
    (load,) = loads_of(run)
    assert load.placed.tolist() == [2, 1]
    assert load.per_core(1) == Fraction(1, 2)


@pytest.mark.parametrize("seed", range(20))
def test_the_load_of_all_hosts_is_all_vcpus(seed: int) -> None:
    run = sample_runs.tiny(seed)
    vcpus = np.concatenate([load.placed for load in loads_of(run)]).sum()
    assert vcpus == sum(run.domain(placed.domain).num_vcpus for placed in run.placed)
