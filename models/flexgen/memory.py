"""The three tiers of one engine: their accounts, their traffic, and what they share."""

from __future__ import annotations

import ctypes
import shutil

from models.flexgen.config import TIERS, Budgets, Tier
from models.flexgen.counters import Traffic
from models.flexgen.files import Files, Scratch
from models.flexgen.tiers import Arena, Buffer, pages

# Of the GNU C library; others give back what is freed, or offer no such call.
_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None)


def give_back_freed() -> None:
    """Returns freed memory to the system: what lies between fragments counts against a cap too."""
    if _TRIM is not None:
        _TRIM(0)


class Memory:
    """Accounts and counters that every part of the engine books on."""

    def __init__(self, budgets: Budgets, in_place: int) -> None:
        budgets.disk_folder.mkdir(parents=True, exist_ok=True)
        self.budgets = budgets
        disk = budgets.disk_bytes
        if disk is None:
            disk = shutil.disk_usage(budgets.disk_folder).free + in_place
        sizes = {"device": budgets.device_bytes, "host": budgets.host_bytes, "disk": disk}
        self._arenas = {tier: Arena(tier, sizes[tier]) for tier in TIERS}
        self.traffic = Traffic()
        self.files = Files(budgets.cold_reads)
        self.staging: Buffer | None = None  # of the cache lane, which is one thread

    def arena(self, tier: Tier) -> Arena:
        """The account of a tier."""
        return self._arenas[tier]

    def peaks(self) -> dict[Tier, int]:
        """Most bytes held at once in every tier."""
        return {tier: arena.peak for tier, arena in self._arenas.items()}

    def scratch(self, size: int) -> Scratch:
        """A file of `size` bytes in the disk tier, gone with the run."""
        return Scratch(self.budgets.disk_folder, size, self.budgets.cold_reads)

    def stage(self, size: int) -> None:
        """Makes the cache lane's buffer at least so large."""
        have = self.staging.size if self.staging else 0
        if pages(size) > have:
            self.arena("host").release("staging", have)
            self.staging = None
            self.arena("host").reserve("staging", pages(size))
            self.staging = Buffer(size)

    def close(self) -> None:
        """Closes files and forgets buffers."""
        self.files.close()
        self.staging = None
        give_back_freed()
