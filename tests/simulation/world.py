"""Puts a simulation together and runs it: a time in which anything happens, a calm one, and the end of all members.

In the calm time nothing fails, nobody lies and nobody comes or goes; then every group must become stable, with all its
partitions assigned. In the end the members go without a word, and nothing may be left of them but what is written;
and once the retention time has passed, not even that.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from broker.core.groups.classic_state import ClassicGroupState
from broker.core.groups.settings import GroupSettings
from broker.core.result import CoordinatorRecord, Result, Ticket

from .clients import Consumer, GroupPlan
from .coordinator import Cause, Faults, SimulatedCoordinator
from .failure import Violation, require
from .inspector import Inspector
from .oracle import Oracle
from .requests import DeleteTopics, Request, make_request
from .schedule import Schedule
from .strangers import Strangers

_TRACE_LENGTH = 60
_SHOWN = (
    "group_id",
    "member_id",
    "group_instance_id",
    "generation_id",
    "generation_id_or_member_epoch",
    "leader",
    "error_code",
)
_CHECK_ALL_STEPS = 250
_CHECK_REPLAY_STEPS = 1_000
_REBALANCE_TIMEOUT_MAX_MS = 10_000
_HEARTBEAT_MS = 2_000
_SESSION_TIMEOUT_MAX_MS = 10_000
_NEW_MEMBER_TIMEOUT_MS = 300_000
_FREEZE_MAX_MS = 20_000
_TOPIC_COUNT = 5
_STATIC_IDS_PER_GROUP = 6
_DAY_MS = 86_400_000


class SimulationFailed(Exception):
    """A violation, with the seed and the last things that happened before it."""


class World:
    """One simulation; equal seeds make equal worlds.

    Attributes:
        digest: changes with everything that happens.
        member_count: how many consumers there have been.
    """

    def __init__(self, seed: int, *, population: int = 150, show: Callable[[str], None] | None = None) -> None:
        self.random = random = Random(seed)
        self.digest = 0
        self.member_count = 0
        self.step_count = 0
        self._seed = seed
        self._show = show
        self._population = random.choice((population // 2, population, population * 2))
        self.schedule = Schedule(random.randint(0, 10**9), 1_700_000_000_000)
        self._topics = [f"topic-{number}" for number in range(_TOPIC_COUNT)]
        self._plans = self._make_plans()
        self._faults = Faults(random)
        self._loss_share = random.choice((0, 0.01, 0.1))
        self._latency_max_ms = random.choice((1, 20, 500))
        self._trace: deque[tuple[Any, ...]] = deque(maxlen=_TRACE_LENGTH)
        self._last_offset = 0
        self._consumers: list[Consumer] = []
        self._is_calm = False
        self._is_over = False
        self._base_settings = self._make_settings()
        self.coordinator = SimulatedCoordinator(
            self.schedule, random, self._settings, lambda: f"{random.getrandbits(64):016x}", self._faults, self
        )
        self.oracle = Oracle(lambda: self.schedule.now, lambda: self.coordinator.settings)
        self.inspector = Inspector(
            self.coordinator, self.oracle, _REBALANCE_TIMEOUT_MAX_MS + self._base_settings.initial_rebalance_delay_ms
        )
        self._strangers = Strangers(self, self._plans, self._topics)

    def _make_plans(self) -> list[GroupPlan]:
        random = self.random
        plans = []
        for number in range(max(1, self._population // random.choice((2, 6, 25)))):
            session_ms = random.choice((6_000, _SESSION_TIMEOUT_MAX_MS))
            plans.append(
                GroupPlan(
                    f"group-{number}",
                    tuple(random.sample(self._topics, random.randint(1, 3))),
                    random.random() < 0.4,
                    session_ms,
                    random.choice((8_000, _REBALANCE_TIMEOUT_MAX_MS)),
                    _HEARTBEAT_MS,
                )
            )
        return plans

    def _make_settings(self) -> GroupSettings:
        random = self.random
        return GroupSettings(
            initial_rebalance_delay_ms=random.choice((0, 100, 3_000)),
            offset_metadata_bytes_max=100,
            offsets_retention_ms=random.choice((60_000, 3_600_000, 7 * _DAY_MS)),
            offsets_retention_check_interval_ms=random.choice((5_000, 60_000)),
        )

    def _settings(self) -> GroupSettings:
        """Of one life of the coordinator: an administrator may have changed the limit of members in between."""
        size_max = 0x7FFFFFFF if self._is_calm else self.random.choice((0x7FFFFFFF, 0x7FFFFFFF, 12))
        return self._base_settings._replace(group_size_max=size_max)

    # Running

    def run(self, steps: int) -> None:
        """Run it all; raises SimulationFailed."""
        try:
            self._begin()
            for _ in range(steps):
                self._step()
            self._calm_down()
            self._end()
        except (Violation, AssertionError, LookupError, TypeError, ValueError, AttributeError) as error:
            trace = "\n".join(_line(entry) for entry in self._trace)
            raise SimulationFailed(f"step {self.step_count}: {error!r}\n{trace}") from error

    def _begin(self) -> None:
        self.coordinator.load()
        self._every(10, 150, self._population_changes)
        self._every(20, 300, self._strangers.act)
        self._every(5_000, 60_000, self._clock_jumps)
        self._every(10_000, 120_000, self._topic_is_deleted)
        self._every(5_000, 60_000, self._foreign_record)

    def _every(self, least_ms: int, most_ms: int, action: Callable[[], None]) -> None:
        def again() -> None:
            if not self._is_calm:
                action()
                self.schedule.after(self.random.randint(least_ms, most_ms), again)

        self.schedule.after(self.random.randint(0, most_ms), again)

    def _step(self) -> None:
        self.step_count += 1
        self.schedule.step()
        if self.step_count % _CHECK_ALL_STEPS == 0:
            self.inspector.check_all(self.schedule.monotonic_ms)
        if self.step_count % _CHECK_REPLAY_STEPS == 0:
            self.inspector.check_replay()

    def _run_for(self, duration_ms: int) -> None:
        until_ms = self.schedule.monotonic_ms + duration_ms
        while (due_ms := self.schedule.next_due_ms()) is not None and due_ms <= until_ms:
            self._step()
        self.schedule.after(until_ms - self.schedule.monotonic_ms, lambda: None)
        self._step()
        self.inspector.check_all(self.schedule.monotonic_ms)
        self.inspector.check_replay()

    # What happens in the world

    def _population_changes(self) -> None:
        random = self.random
        missing = self._population - len(self._consumers)
        for _ in range(-(-missing // 50)):
            self._newcomer(random.choice(self._plans))
        if not self._consumers:
            return
        consumer = random.choice(self._consumers)
        match random.randrange(12):
            case 0:
                consumer.crash()
            case 1:
                consumer.leave()
            case 2 | 3:
                consumer.freeze(random.choice((500, 3_000, 8_000, _FREEZE_MAX_MS)))

    def _newcomer(self, plan: GroupPlan) -> None:
        random = self.random
        instance_id = f"static-{random.randrange(_STATIC_IDS_PER_GROUP)}" if random.random() < 0.3 else None
        if instance_id is not None:
            for other in self._consumers:
                if other.plan is plan and other.instance_id == instance_id:
                    if random.random() < 0.7:
                        other.crash()  # this one is its restart; otherwise two believe to be the one
                    break
        self._join(Consumer(self, plan, instance_id))

    def _join(self, consumer: Consumer) -> None:
        self.member_count += 1
        self._consumers.append(consumer)
        consumer.start()

    def _clock_jumps(self) -> None:
        self.schedule.jump_wall(self.random.choice((-_DAY_MS, -60_000, -1, 1, 60_000, _DAY_MS, 8 * _DAY_MS)))

    def _topic_is_deleted(self) -> None:
        name = self.random.choice(self._topics)
        topic_id = self.random.choice((b"topic id " + bytes(6) + b"1", b"another topic id"))
        self.oracle.topics_deleted[name].add(topic_id)
        self.coordinator.run(make_request(DeleteTopics(((name, topic_id),)), 0, lambda _: None))

    def _foreign_record(self) -> None:
        """Records of another kind, or of nobody, are in the log too."""
        shard, random = self.coordinator.shard, self.random
        if shard is None:
            return
        kind = random.choice((3, 6, 12, 0x7FFF)).to_bytes(2)
        key = random.choice((b"", b"\0", kind, kind + random.randbytes(9)))
        record = CoordinatorRecord(key, random.choice((None, random.randbytes(20))))
        self.coordinator.log.append([record])
        self.coordinator.log.commit()
        shard.replay(*record)

    # What consumers and strangers need: see Surroundings

    @property
    def is_calm(self) -> bool:
        return self._is_calm

    def next_offset(self) -> int:
        self._last_offset += 1
        return self._last_offset

    def has_learnt(self, plan: GroupPlan, member_id: str, generation: int) -> None:
        self._strangers.learn(plan, member_id, generation)

    def has_ended(self, consumer: Consumer) -> None:
        self._consumers.remove(consumer)

    def send(self, request: Request) -> None:
        random, schedule = self.random, self.schedule
        if not self._is_calm and random.random() < self._loss_share:
            if random.random() < 0.5:
                schedule.after(0, partial(request.respond, None))
                return
            schedule.after(0, partial(request.respond, None))  # it arrives, its answer does not
            request = request._replace(respond=lambda _: None)
        answer = request.respond

        def respond(response: Any) -> None:
            schedule.after(random.randint(0, self._latency_max_ms), lambda: answer(response))

        arriving = request._replace(respond=respond)
        schedule.after(random.randint(0, self._latency_max_ms), lambda: self.coordinator.receive(arriving))

    # What the coordinator does: see Observer

    def before(self, cause: Cause) -> None:
        self.inspector.before(cause)
        self.oracle.joined_now.clear()
        if isinstance(cause, Request):
            was_waiting = self.inspector.was_waiting(getattr(cause.body, "member_id", ""))
            self.oracle.asked(cause, was_waiting)
            self._note("<", cause.name, cause.body)
        elif cause is not None:
            self._note("timer", cause)

    def appended(self, cause: Cause, result: Result, base_offset: int) -> None:
        self._note("append", base_offset, len(result.records))
        self.oracle.appended(cause, result, base_offset, self.inspector.view_of)

    def answered(self, ticket: Ticket, request: Request, response: Any) -> None:
        self._note(">", request.name, response)
        self.oracle.answered(request, response, self.inspector.had_members)

    def refused_whole(self, request: Request, response: Any) -> None:
        self._note("> refused", request.name, response)
        self.oracle.refused(request)
        self.inspector.raised(request)

    def released(self, request: Request, response: Any) -> None:
        self.oracle.released(request, response)

    def after(self, cause: Cause) -> None:
        self.oracle.committed(self.coordinator.log.high_watermark)
        self.inspector.after(cause)

    def died(self, end_offset: int) -> None:
        self._note("dies", end_offset)
        self.oracle.died(end_offset)

    def loaded(self) -> None:
        self._note("loads")
        self.oracle.loaded()

    def _note(self, *entry: Any) -> None:
        noted = (self.step_count, self.schedule.monotonic_ms, *entry)
        self._trace.append(noted)
        if self._show is not None:
            self._show(_line(noted))
        self.digest = zlib.crc32(repr(noted[:4]).encode(), self.digest)

    # The end

    def _calm_down(self) -> None:
        self._is_calm = True
        self._faults.on = False
        self.coordinator.settings = self._settings()
        self._restart()
        for plan in self._plans:
            self._join(Consumer(self, plan, None))  # a leader of good faith, in a generation of its own
        self._run_for(_FREEZE_MAX_MS + 2 * _SESSION_TIMEOUT_MAX_MS + 4 * _REBALANCE_TIMEOUT_MAX_MS)
        for plan in self._plans:
            self._check_settled(plan)
        self._strangers.fetch_all()
        self._run_for(2_000)

    def _restart(self) -> None:
        """A last life for the coordinator, without a limit of members."""
        if self.coordinator.shard is not None:
            self.coordinator.die()

    def _check_settled(self, plan: GroupPlan) -> None:
        shard = self.coordinator.shard
        assert shard is not None
        group = shard.groups.live.get(plan.group_id)
        require(group is not None and group.state is ClassicGroupState.STABLE, "a group does not settle", plan, group)
        assert group is not None
        consumers = [each for each in self._consumers if each.plan is plan]
        ids = sorted(each.member_id for each in consumers)
        require(ids == sorted(group.members), "others are members than live", plan, ids, list(group.members))
        for consumer in consumers:
            require(consumer.generation == group.generation, "a member is left behind", plan, consumer.member_id)
        assigned = sorted(partition for consumer in consumers for partition in consumer.assigned)
        require(assigned == sorted(plan.partitions), "not every partition is assigned once", plan, assigned)

    def _end(self) -> None:
        for consumer in list(self._consumers):
            consumer.crash() if self.random.random() < 0.5 else consumer.leave()
        self._run_for(_SESSION_TIMEOUT_MAX_MS + 2 * _REBALANCE_TIMEOUT_MAX_MS + _NEW_MEMBER_TIMEOUT_MS)
        coordinator = self.coordinator
        shard = coordinator.shard
        assert shard is not None
        require(not shard.groups.live, "groups live on without members", shard.groups.live)
        require(not coordinator.waiting, "requests wait in an empty world", coordinator.waiting)
        require(set(coordinator.timers) <= {("expiry",)}, "timers are left", coordinator.timers)
        self.schedule.jump_wall(30 * _DAY_MS)
        self._run_for(2 * self._base_settings.offsets_retention_check_interval_ms)
        require(not shard.groups.persisted, "groups do not expire", shard.groups.persisted)
        require(not list(shard.offsets.group_ids), "offsets do not expire", list(shard.offsets.group_ids))


def _line(entry: tuple[Any, ...]) -> str:
    step, now_ms, *rest = entry
    return f"{step:>7} {now_ms:>11} " + " ".join(_shown(each) for each in rest)


def _shown(thing: Any) -> str:
    """What a trace shows of a request, an answer or anything else."""
    if isinstance(thing, str | int | tuple):
        return str(thing)
    named = ((name, getattr(thing, name, None)) for name in _SHOWN)
    return " ".join(f"{name}={value}" for name, value in named if value not in (None, ""))
