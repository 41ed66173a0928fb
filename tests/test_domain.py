"""A domain fills in what is absent, refuses contradictions, hands out read-only arrays."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from placer.cpulist import CpuList
from placer.domain import OVERHEAD_PAGES, VnodeMemory
from tests.builders import make_domain

INTERLEAVED = VnodeMemory(policy="interleave", interleave_width=2)


def test_an_absent_option_has_its_default() -> None:
    domain = make_domain([512, 1024], 3)
    assert domain.distances.tolist() == [[10, 20], [20, 10]]
    assert domain.vnode_pnode.tolist() == [-1, -1]
    assert domain.page_order.tolist() == [0, 0]
    assert domain.memory == (VnodeMemory(), VnodeMemory())
    assert domain.memory[0].policy == "strict"
    assert domain.hard_affinity == domain.soft_affinity == (None, None, None)
    assert (domain.vcpu_to_vnode, domain.vcpu_bounds, domain.access) == (None, None, None)
    assert (domain.priority, domain.thread_policy) == (1, "prefer")


def test_vcpus_spill_last_and_dedicated_ones_never_unless_asked() -> None:
    assert make_domain([512]).cpu_spill == "last"
    assert make_domain([512], dedicated=True).cpu_spill == "never"
    assert make_domain([512], dedicated=True, cpu_spill="free").cpu_spill == "free"


def test_sizes_and_counts_follow_from_the_vnodes() -> None:
    domain = make_domain([512, 1024])
    assert (domain.num_vnodes, domain.memory_pages) == (2, 1536)


@pytest.mark.parametrize(("kind", "pages"), [("pv", 256), ("pvh", 512), ("hvm", 512)])
def test_the_toolstack_needs_1_mib_for_pv_and_2_mib_for_the_others(kind: str, pages: int) -> None:
    assert make_domain([512], type=kind).overhead_pages == pages == OVERHEAD_PAGES[kind]


@pytest.mark.parametrize(
    "name",
    ["vnode_pages", "distances", "vnode_pnode", "page_order", "vcpu_to_vnode", "vcpu_bounds"],
)
def test_arrays_of_a_domain_are_read_only_and_whole_numbers(name: str) -> None:
    domain = make_domain([512, 512], 2, vcpu_to_vnode=[0, 1], vcpu_bounds=[[0, 2], [0, 2]])
    array = getattr(domain, name)
    assert array.dtype == np.int64
    with pytest.raises(ValueError, match="read-only"):
        array.flat[0] = 7


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"vnode_pages": []}, "at least one vnode"),
        ({"num_vcpus": 0}, "at least one vnode and one vcpu"),
        ({"vnode_pages": [0, 0]}, "has memory"),
        ({"vnode_pages": [-1, 512]}, "has memory"),
        ({"distances": [[10, 20]]}, "distances need 4 entries"),
        ({"distances": [[10, 0], [20, 10]]}, "above 0"),
        ({"vnode_pnode": [0]}, "one pnode for each vnode"),
        ({"vnode_pnode": [0, -2]}, "one pnode for each vnode"),
        ({"memory": (VnodeMemory(),)}, "one memory policy"),
        ({"page_order": [0]}, "one memory policy and page size"),
        ({"page_order": [0, 3]}, "page sizes are"),
        ({"hard_affinity": (None,)}, "one affinity for each vcpu"),
        ({"soft_affinity": (CpuList.parse("0"),) * 3}, "one affinity for each vcpu"),
        ({"vcpu_to_vnode": [0]}, "one vnode, 0 to 1"),
        ({"vcpu_to_vnode": [0, 2]}, "one vnode, 0 to 1"),
        ({"vcpu_to_vnode": [0, -1]}, "one vnode, 0 to 1"),
        ({"vcpu_bounds": [[0, 2]]}, "one pair of vcpu bounds"),
        ({"auto_vnodes": True}, "takes no vnode sizes"),
        ({"access": ((Fraction(1),),)}, "one row of access shares"),
        ({"type": "lxc"}, "type is 'lxc', expected one of pv, pvh, hvm"),
        ({"thread_policy": "any"}, "thread_policy is 'any'"),
        ({"cpu_spill": "always"}, "cpu_spill is 'always'"),
        ({"memory": (VnodeMemory(policy="weak"),) * 2}, "memory policy 'weak'"),
        ({"vnode_pages": [[512, 512]]}, r"vnode_pages: found int64 of shape \(1, 2\)"),
        ({"page_order": [0, 9.5]}, "page_order: found float64"),
        ({"vcpu_to_vnode": ["0", "1"]}, "vcpu_to_vnode: found <U1"),
        ({"priority": 0}, "priority is 1 or more"),
        ({"memory": (VnodeMemory(policy="interleave"), VnodeMemory())}, "a set of pnodes or"),
        ({"memory": (VnodeMemory(interleave_width=2), VnodeMemory())}, "a set of pnodes or"),
        (
            {"memory": (replace(INTERLEAVED, interleave_pnodes=(0,)), INTERLEAVED)},
            "a set of pnodes or",
        ),
    ],
)
def test_fields_that_contradict_one_another_are_refused(
    fields: dict[str, Any], reason: str
) -> None:
    given: dict[str, Any] = {"name": "vm", "vnode_pages": [512, 512], "num_vcpus": 2, **fields}
    with pytest.raises(ValueError, match=reason):
        make_domain(given.pop("vnode_pages"), given.pop("num_vcpus"), **given)


def test_a_vnode_may_have_no_memory_where_another_has_some() -> None:
    assert make_domain([0, 512]).vnode_pages.tolist() == [0, 512]


def test_domains_are_equal_by_content_wherever_they_were_read() -> None:
    domain = make_domain([512, 512], 2, vcpu_to_vnode=[0, 1])
    assert domain == make_domain([512, 512], 2, vcpu_to_vnode=[0, 1], source="vm.cfg")
    assert domain != replace(domain, vcpu_to_vnode=[1, 0])
    with pytest.raises(TypeError, match="unhashable"):
        hash(domain)
