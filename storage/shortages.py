"""Errors that pass once there is room again, or a descriptor free: the log directory that meets one stays in use."""

from __future__ import annotations

import errno

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)


def is_disk_full(error: OSError) -> bool:
    """Whether room is missing, on the disk or in a quota."""
    return error.errno in _DISK_FULL


def is_out_of_descriptors(error: OSError) -> bool:
    """Whether the process, or the whole system, has as many files open as it may."""
    return error.errno in _OUT_OF_DESCRIPTORS


def is_shortage(error: OSError) -> bool:
    """Whether it is either of these, and says nothing against the disk."""
    return is_disk_full(error) or is_out_of_descriptors(error)
