"""The lake: where tables live, what they promise, and how they are read."""

from data.lake.contract import Contract, column
from data.lake.errors import ContractError, DamagedError, LakeError, UnwritableError
from data.lake.store import Commit, Lake, TableRef

__all__ = [
    "Commit",
    "Contract",
    "ContractError",
    "DamagedError",
    "Lake",
    "LakeError",
    "TableRef",
    "UnwritableError",
    "column",
]
