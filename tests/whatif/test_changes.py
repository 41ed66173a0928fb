"""Each change, and who loses a place by it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from placer.cpulist import CpuList
from placer.errors import InputError
from placer.host import RunningDomain
from placer.problem import Group, Problem
from placer.scenario import (
    AddDomains,
    AddHosts,
    CountHosts,
    FailMemory,
    FailPcpus,
    FailPnodes,
    GroupDomains,
    LimitHosts,
    MergePnodes,
    PinDomains,
    RemoveDomains,
    ReplaceHosts,
    ResizeDomains,
    Scenario,
    SetHosts,
    SplitPnodes,
    TakeHosts,
    Ungroup,
)
from placer.whatif.draft import Base
from placer.whatif.machines import merge_pnodes, split_pnodes, without_memory
from placer.whatif.settle import make_draft
from tests.builders import make_domain, make_host
from tests.sample_runs import solved
from tests.whatif.bases import GIB, ask, domain_of, hosts_of, three_hosts


def host_of(base: Base, name: str) -> str:
    return base.run.placed_by_name[name].host


def test_a_host_that_fails_takes_its_domains_places_and_no_other() -> None:
    base = three_hosts()
    lost = {p.domain for p in base.run.placed if p.host == host_of(base, "big")}
    found = ask(base, TakeHosts(hosts=(host_of(base, "big"),), how="fail"))
    assert found.displaced == lost
    assert host_of(base, "big") not in {p.host for p in found.placement.domains}
    for placed in found.placement.domains:
        if placed.domain not in lost:
            assert placed.host == host_of(base, placed.domain)


def test_a_drained_host_stays_and_is_empty() -> None:
    base = three_hosts()
    name = host_of(base, "wide")
    found = ask(base, TakeHosts(hosts=(name,), how="drain"))
    assert name in found.draft.hosts
    assert name not in {p.host for p in found.placement.domains}
    assert len(found.placement.domains) == 4


def test_all_hosts_may_fail() -> None:
    found = ask(three_hosts(), TakeHosts(hosts=("h*",), how="fail"))
    assert found.placement.domains == ()
    assert {refusal.reason for refusal in found.unplaced} == {"there is no host"}


def test_domains_of_an_inventory_are_lost_with_their_host_but_dom0_is_not() -> None:
    def running(name: str) -> RunningDomain:
        return RunningDomain(name=name, pages=[0, 0], vcpus_on=[0, 0])

    hosts = hosts_of(2, running=(running("old"), running("Domain-0")))
    base = Base(run=solved(Problem(hosts=hosts, domains=(domain_of("a", 1),))))
    found = ask(base, TakeHosts(hosts=("h0",), how="fail"))
    assert found.draft.lost == {"old": "h0"}


def test_a_pnode_that_fails_displaces_what_has_pages_vcpus_or_a_home_there() -> None:
    base = three_hosts()
    placed = base.run.placed_by_name["wide"]
    found = ask(base, FailPnodes(hosts=(placed.host,), pnodes=(int(placed.home[1]),)))
    assert "wide" in found.displaced
    host = found.draft.hosts[placed.host]
    assert host.num_pnodes == 2
    assert int(host.total_pages[placed.home[1]]) == 0
    assert int(placed.home[1]) not in host.pcpu_pnode.tolist()


def test_pcpus_that_fail_leave_the_others_of_the_pnode_to_shared_vcpus() -> None:
    base = three_hosts()
    found = ask(base, FailPcpus(hosts=("h*",), pcpus=CpuList.parse("0-3,8-11")))
    assert found.displaced == frozenset()
    for placed in found.placement.domains:
        assert not {0, 1, 2, 3, 8, 9, 10, 11} & set(placed.vcpu_to_pcpu.tolist())


def test_domains_of_least_priority_then_most_memory_give_way_where_vcpus_lack() -> None:
    domains = (domain_of("first", 1, vcpus=4, priority=9), domain_of("second", 2, vcpus=4))
    base = Base(run=solved(Problem(hosts=hosts_of(1, cpus=4), domains=domains)))
    gone = CpuList.parse("nodes:0,^0-1")
    found = ask(base, FailPcpus(hosts=("h0",), pcpus=gone))
    victim = [n for n, p in base.run.placed_by_name.items() if 0 in p.vcpu_to_pnode.tolist()]
    assert found.displaced == set(victim)


def test_a_pnode_takes_what_an_inventory_lists_there_with_it() -> None:
    def running(name: str, pages: list[int], **fields: Any) -> RunningDomain:
        return RunningDomain(name=name, pages=pages, vcpus_on=[0, 0], **fields)

    listed = (
        running("Domain-0", [512, 512], domid=0),
        running("here", [512, 0]),
        running("elsewhere", [0, 512]),
        running("pinned", [0, 512], dedicated_pcpus=(1,)),
    )
    hosts = hosts_of(2)
    hosts = (replace(hosts[0], running=listed), hosts[1])
    base = Base(run=solved(Problem(hosts=hosts, domains=(domain_of("a", 4),), allow_partial=True)))
    draft = make_draft(base, Scenario(name="s", changes=(FailPnodes(hosts=("h0",), pnodes=(0,)),)))
    assert draft.lost == {"here": "h0", "pinned": "h0"}
    assert [run.name for run in draft.hosts["h0"].running] == ["Domain-0", "elsewhere"]


def test_memory_that_fails_is_free_memory_first() -> None:
    base = three_hosts()
    host = host_of(base, "a")
    pnode = int(base.run.placed_by_name["a"].home[0])
    free = int(base.after[host].free_pages[pnode])
    kept = ask(base, FailMemory(hosts=(host,), pnode=pnode, pages=free - 4096))
    assert kept.displaced == frozenset()
    lost = ask(base, FailMemory(hosts=(host,), pnode=pnode, pages=free + 1))
    assert lost.displaced
    with pytest.raises(
        InputError, match=r"change 1 \(fail-memory\): .* 10 GiB of pnode 0, expected 9 GiB or less"
    ):
        ask(base, FailMemory(hosts=(host,), pnode=pnode, pages=10 * GIB))


def test_failing_memory_never_touches_frames_that_are_held() -> None:
    host = make_host([100])
    start = int(host.free_spans[0, 1])
    held = np.array([[start + 90, 10]])
    smaller = without_memory(host, 0, 20, held)
    assert smaller.free_spans.tolist() == [[0, start, 70], [0, start + 90, 10]]
    with pytest.raises(ValueError, match="expected 360 KiB or less"):
        without_memory(host, 0, 91, held)


def test_splitting_and_merging_pnodes_keep_memory_pcpus_and_far_distances() -> None:
    host = make_host(
        [8 * GIB, 6 * GIB], cpus=8, threads=2, distances=[[10, 32], [32, 10]], reserve_pages=[5, 0]
    )
    four = split_pnodes(host, 2, 12)
    assert four.num_pnodes == 4
    assert four.free_pages.sum() == host.free_pages.sum()
    assert four.reserve_pages.tolist() == [3, 2, 0, 0]
    assert np.bincount(four.pcpu_pnode).tolist() == [4, 4, 4, 4]
    assert four.distances.tolist() == [
        [10, 12, 32, 32],
        [12, 10, 32, 32],
        [32, 32, 10, 12],
        [32, 32, 12, 10],
    ]
    again = merge_pnodes(four)
    assert again.distances.tolist() == host.distances.tolist()
    assert again.free_pages.tolist() == host.free_pages.tolist()
    assert again.pcpu_pnode.tolist() == host.pcpu_pnode.tolist()
    with pytest.raises(ValueError, match="expected several"):
        merge_pnodes(host)
    with pytest.raises(ValueError, match="expected 5 or more"):
        split_pnodes(host, 5, 12)


def test_what_runs_on_a_host_in_another_mode_is_placed_anew() -> None:
    base = three_hosts()
    found = ask(base, SplitPnodes(hosts=("h0",), into=2, distance=12))
    on_h0 = {p.domain for p in base.run.placed if p.host == "h0"}
    assert found.displaced == on_h0
    with pytest.raises(InputError, match="host h0"):
        ask(base, MergePnodes(hosts=("h0",)))


def test_a_replaced_host_keeps_its_name_and_loses_its_domains() -> None:
    base = three_hosts()
    by = make_host([16 * GIB] * 4, cpus=16, name="new model")
    found = ask(base, ReplaceHosts(hosts=("h1",), by=by))
    assert found.draft.hosts["h1"].num_pnodes == 4
    assert found.displaced == {p.domain for p in base.run.placed if p.host == "h1"}
    assert len(found.placement.domains) == 4


def test_more_hosts_give_room_and_fewer_take_it() -> None:
    base = three_hosts()
    more = ask(
        base,
        AddHosts(hosts=(make_host([64 * GIB], name="large"),)),
        AddDomains(domains=(domain_of("huge", 40),)),
    )
    assert {p.domain: p.host for p in more.placement.domains}["huge"] == "large"
    assert list(ask(base, CountHosts(number=5)).draft.hosts) == ["h0", "h1", "h2", "h2-3", "h2-4"]
    assert list(ask(base, CountHosts(number=1)).draft.hosts) == ["h0"]


def test_a_host_or_a_domain_is_not_added_twice() -> None:
    base = three_hosts()
    with pytest.raises(InputError, match="'h0', which is there already"):
        ask(base, AddHosts(hosts=(make_host([GIB], name="h0"),)))
    with pytest.raises(InputError, match="'a', which is there already"):
        ask(base, AddDomains(domains=(domain_of("a", 1),)))


def test_a_name_that_is_not_there_is_told_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"found 'h00', expected 'h0'\?"):
        ask(three_hosts(), TakeHosts(hosts=("h00",), how="fail"))
    with pytest.raises(InputError, match="domain: found 'zz\\*'"):
        ask(three_hosts(), RemoveDomains(domains=("zz*",)))


def test_removed_domains_make_room() -> None:
    found = ask(
        three_hosts(), RemoveDomains(domains=("b*",)), AddDomains(domains=(domain_of("n", 7),))
    )
    assert [p.domain for p in found.placement.domains] == ["a", "wide", "n"]
    assert found.draft.removed == {"b", "big"}


def test_overcommit_and_reserve_make_domains_give_way() -> None:
    base = three_hosts()
    assert ask(base, SetHosts(hosts=("*",), overcommit=Fraction(1, 8))).displaced
    full = ask(base, SetHosts(hosts=("*",), reserve_pages=8 * GIB))
    assert full.placement.domains == ()
    assert len(full.unplaced) == 4


def test_other_distances_change_the_cost_of_what_stays() -> None:
    found = ask(three_hosts(), SetHosts(hosts=("*",), distances=np.array([10, 40])))
    assert found.displaced == frozenset()
    cost = next(level for level in found.levels if level.name == "cost")
    assert cost.value > sum(three_hosts().cost_of.values())
    with pytest.raises(InputError, match=r"found distances of shape \(3, 3\), expected \(2, 2\)$"):
        ask(three_hosts(), SetHosts(hosts=("h1",), distances=np.full((3, 3), 10)))


def test_a_domain_of_another_size_is_placed_anew_in_proportion() -> None:
    found = ask(three_hosts(), ResizeDomains(domains=("wide",), memory_pages=12 * GIB, num_vcpus=6))
    wide = next(p for p in found.placement.domains if p.domain == "wide")
    assert wide.vnode_pages.tolist() == [6 * GIB, 6 * GIB]
    assert np.bincount(wide.vcpu_to_vnode).tolist() == [3, 3]
    fewer = ask(three_hosts(), ResizeDomains(domains=("wide",), num_vcpus=2, num_vnodes=1))
    assert fewer.draft.domains["wide"].num_vnodes == 1
    with pytest.raises(InputError, match="domain wide: found 1 vcpus"):
        ask(three_hosts(), ResizeDomains(domains=("wide",), num_vcpus=1))


def test_a_size_that_is_the_same_displaces_nobody() -> None:
    found = ask(three_hosts(), ResizeDomains(domains=("a",), memory_pages=4 * GIB, num_vcpus=2))
    assert found.displaced == frozenset()


def test_pins_displace_only_what_is_elsewhere_and_can_be_taken_off() -> None:
    base = three_hosts()
    here = int(base.run.placed_by_name["big"].home[0])
    assert ask(base, PinDomains(domains=("big",), pnodes=(here,))).displaced == frozenset()
    away = ask(base, PinDomains(domains=("big",), pnodes=(1 - here,)))
    assert away.displaced == {"big"}
    placed = next(p for p in away.placement.domains if p.domain == "big")
    assert placed.home.tolist() == [1 - here]
    nowhere = ask(base, PinDomains(domains=("big",), pnodes=(7,)))
    assert [refusal.domain for refusal in nowhere.unplaced] == ["big"]
    assert "pnodes" in nowhere.unplaced[0].reason
    with pytest.raises(InputError, match="3 pnodes for 2 vnodes"):
        ask(base, PinDomains(domains=("wide",), pnodes=(0, 1, 0)))
    pinned = Base(
        run=solved(Problem(hosts=hosts_of(1), domains=(domain_of("p", 1, vnode_pnode=[1]),)))
    )
    assert ask(pinned, PinDomains(domains=("p",))).draft.domains["p"].vnode_pnode.tolist() == [-1]


def test_forbidden_hosts_are_left_and_names_of_gone_hosts_do_no_harm() -> None:
    base = three_hosts()
    host = host_of(base, "a")
    found = ask(base, LimitHosts(domains=("a",), forbidden=(host,)))
    assert "a" in found.displaced
    gone = ask(
        base,
        LimitHosts(domains=("a",), allowed=(host,)),
        TakeHosts(hosts=(host,), how="remove"),
    )
    refusal = next(refusal for refusal in gone.unplaced if refusal.domain == "a")
    assert refusal.reason == "no host is left of those that it may run on"
    lifted = ask(
        base,
        LimitHosts(domains=("a",), forbidden=("h*",)),
        LimitHosts(domains=("a",), lift=True),
    )
    assert lifted.displaced == frozenset()


def test_members_that_are_not_as_a_new_group_asks_are_placed_anew() -> None:
    base = three_hosts()
    group = Group(name="g", keep="apart")
    found = ask(base, GroupDomains(domains=("a", "b", "wide"), group=group))
    hosts = [p.host for p in found.placement.domains if p.domain in ("a", "b", "wide")]
    assert len(set(hosts)) == 3
    none = ask(base, GroupDomains(domains=("a",), group=group), Ungroup(group="g"))
    assert none.draft.domains["a"].groups == ()


def test_a_new_domain_is_kept_apart_from_members_that_stay() -> None:
    group = Group(name="g", keep="apart")
    base = Base(
        run=solved(
            Problem(
                hosts=hosts_of(2),
                domains=(domain_of("one", 1, groups=("g",)),),
                groups=(group,),
            )
        )
    )
    found = ask(base, AddDomains(domains=(domain_of("two", 1, groups=("g",)),)))
    assert len({p.host for p in found.placement.domains}) == 2
    third = ask(
        base,
        AddDomains(domains=tuple(domain_of(n, 1, groups=("g",)) for n in ("two", "three"))),
    )
    assert len(third.placement.domains) == 2


def test_dedicated_pcpus_that_fail_displace_their_domain() -> None:
    domains = (make_domain([GIB], 2, name="own", vcpu_to_vnode=[0, 0], dedicated=True),)
    base = Base(run=solved(Problem(hosts=hosts_of(1), domains=domains)))
    mine = base.run.placed[0].vcpu_to_pcpu.tolist()
    found = ask(base, FailPcpus(hosts=("h0",), pcpus=CpuList.parse(str(mine[0]))))
    assert found.displaced == {"own"}
    assert mine[0] not in found.placement.domains[0].vcpu_to_pcpu.tolist()
