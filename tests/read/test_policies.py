from pathlib import Path

import pytest

from placer.errors import InputError
from placer.policy import DISTANCE
from placer.read.policies import policy_names, read_policy
from placer.read.resources import find_resources


def test_the_policies_of_the_model_come_with_placer() -> None:
    assert policy_names() == ("distance", "pack", "spread")
    policies = {name: read_policy(name) for name in policy_names()}
    assert {name: policy.tie_break for name, policy in policies.items()} == {
        "distance": "none",
        "pack": "pack",
        "spread": "spread",
    }
    assert all(policy.name == name for name, policy in policies.items())
    assert all(policy.description for policy in policies.values())


def test_the_default_policy_is_the_one_named_distance() -> None:
    policy = read_policy("distance")
    assert (policy.name, policy.tie_break) == (DISTANCE.name, DISTANCE.tie_break)


def test_a_policy_of_ones_own_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\ntie_break = "pack"\n')
    assert read_policy(path) == read_policy(str(path))
    assert read_policy(path).name == "mine"


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("", {"name", "tie_break"}),
        ('name = "x"\ntie_break = "random"', {"tie_break"}),
        ('name = "x"\ntie_break = "pack"\nseed = 1', {"seed"}),
        ('name = ""\ntie_break = "pack"', {"name"}),
    ],
)
def test_a_faulty_policy_file_names_its_fields(tmp_path: Path, text: str, fields: set[str]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_policy(path)
    assert {fault.field for fault in caught.value.faults} == fields


def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="distance, pack, spread"):
        read_policy("random")
    with pytest.raises(InputError, match="no such file"):
        read_policy(tmp_path / "none.toml")


@pytest.mark.parametrize("name", ["../policies/pack", "", "pack\0"])
def test_a_name_never_leads_out_of_the_folder_of_policies(name: str) -> None:
    with pytest.raises(InputError):
        read_policy(name)


def test_a_folder_that_placer_does_not_bring_is_not_found() -> None:
    with pytest.raises(FileNotFoundError):
        find_resources("recipes")
