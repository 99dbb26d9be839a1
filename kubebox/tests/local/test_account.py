"""The account that root gives a workspace."""

import grp
import os
import pwd
from functools import partial

import pytest

from kubebox.local.bubblewrap import WORKSPACE_UID
from kubebox.local.enclosure import workspace_account


def test_a_number_that_is_somebodys_user_or_group_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    users, groups = {WORKSPACE_UID}, {WORKSPACE_UID + 1}

    def look_up(taken: set[int], number: int) -> None:
        if number not in taken:
            raise KeyError(number)

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwuid", partial(look_up, users))
    monkeypatch.setattr(grp, "getgrgid", partial(look_up, groups))
    assert workspace_account() == (WORKSPACE_UID + 2, WORKSPACE_UID + 2)
