import uuid

import pytest

from data.lake import Lake


@pytest.fixture(params=["folder", "object-store"])
def lake(request, tmp_path):
    """A lake on either kind of storage."""
    if request.param == "folder":
        return Lake(str(tmp_path / "lake"))
    return Lake(f"memory://{uuid.uuid4().hex}")


@pytest.fixture
def folder(tmp_path):
    """A lake in a folder, for tests that reach into its files."""
    return Lake(str(tmp_path / "lake"))
