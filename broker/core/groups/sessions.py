"""Sessions: a member that gives no sign of life in time is removed.

A sign of life only moves the member's deadline. Its timer, armed for an earlier one, sees when it fires that the
deadline has moved and is armed again for the rest, so that heartbeats cost no timers. Every member and every pending
member has exactly one timer.
"""

from __future__ import annotations

from ..result import Moment, Result
from .classic_group import ClassicGroup
from .classic_member import NEVER_MS, ClassicMember

SessionKey = tuple[str, str, str]


def session_key(group_id: str, member_id: str) -> SessionKey:
    """The key of a member's timer."""
    return ("session", group_id, member_id)


def extend_session(
    group: ClassicGroup, member: ClassicMember, now: Moment, result: Result, timeout_ms: int | None = None
) -> None:
    """Let the member live on for its session timeout, or for `timeout_ms`."""
    deadline_ms = now.monotonic_ms + (member.session_timeout_ms if timeout_ms is None else timeout_ms)
    member.session_deadline_ms = deadline_ms
    if deadline_ms < member.session_timer_due_ms:
        _arm(group, member, now, result)


def end_session(group: ClassicGroup, member: ClassicMember, result: Result) -> None:
    """Cancel the timer of a member that goes."""
    result.timers[session_key(group.group_id, member.member_id)] = None
    member.session_timer_due_ms = NEVER_MS


def is_expired(group: ClassicGroup, member: ClassicMember, now: Moment, result: Result) -> bool:
    """Whether the member has to go now that its timer has fired; if not, the timer is armed again."""
    member.session_timer_due_ms = NEVER_MS
    if now.monotonic_ms < member.session_deadline_ms:
        _arm(group, member, now, result)
        return False
    # Who waits for us is alive. But new members may have gone while their JoinGroup waited, and their clients may have
    # sent another since, so these are not waited for without end.
    if member.is_waiting and not member.is_new:
        extend_session(group, member, now, result)
        return False
    return True


def _arm(group: ClassicGroup, member: ClassicMember, now: Moment, result: Result) -> None:
    member.session_timer_due_ms = member.session_deadline_ms
    delay_ms = max(0, member.session_deadline_ms - now.monotonic_ms)
    result.timers[session_key(group.group_id, member.member_id)] = delay_ms
