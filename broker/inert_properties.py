"""The broker properties of Apache Kafka 4.3 that nothing here obeys: a configuration written for Kafka may have them.

Controllers, threads, purgatories and the JVM's metrics have no meaning here; what is still to come, as TLS or
transactions, moves to config_table.py with the code that obeys it. Types and update modes are Kafka's, so that a client
that changes one gets Kafka's answer. Imported only where a name is met that config_table.py does not have.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .config_table import BROKER_PROPERTIES, LOG_MOVES_BYTES_PER_SECOND_MAX, Dynamic, Property
from .config_types import ConfigType, at_least

_NAMES = {
    (ConfigType.BOOLEAN, Dynamic.CLUSTER_WIDE): """
        follower.fetch.last.tiered.offset.enable transaction.partition.verification.enable
    """,
    (ConfigType.BOOLEAN, Dynamic.READ_ONLY): """
        auto.leader.rebalance.enable controlled.shutdown.enable controller.quorum.auto.join.enable
        log.cleaner.enable remote.log.storage.system.enable sasl.oauthbearer.assertion.claim.jti.include
        ssl.allow.dn.changes ssl.allow.san.changes transaction.two.phase.commit.enable unstable.api.versions.enable
        unstable.feature.versions.enable
    """,
    (ConfigType.CLASS, Dynamic.PER_BROKER): """
        principal.builder.class ssl.engine.factory.class
    """,
    (ConfigType.CLASS, Dynamic.READ_ONLY): """
        alter.config.policy.class.name client.quota.callback.class create.topic.policy.class.name
        sasl.client.callback.handler.class sasl.login.callback.handler.class sasl.login.class
        sasl.oauthbearer.jwt.retriever.class sasl.oauthbearer.jwt.validator.class sasl.server.callback.handler.class
    """,
    (ConfigType.DOUBLE, Dynamic.CLUSTER_WIDE): """
        log.cleaner.io.buffer.load.factor log.cleaner.io.max.bytes.per.second
    """,
    (ConfigType.DOUBLE, Dynamic.PER_BROKER): """
        sasl.kerberos.ticket.renew.jitter sasl.kerberos.ticket.renew.window.factor sasl.login.refresh.window.factor
        sasl.login.refresh.window.jitter
    """,
    (ConfigType.DOUBLE, Dynamic.READ_ONLY): """
        remote.log.manager.task.retry.jitter
    """,
    (ConfigType.INT, Dynamic.CLUSTER_WIDE): """
        background.threads group.consumer.assignment.interval.ms group.coordinator.cached.buffer.max.bytes
        group.share.assignment.interval.ms group.streams.assignment.interval.ms log.cleaner.io.buffer.size
        log.cleaner.threads max.connection.creation.rate num.io.threads num.network.threads
        num.recovery.threads.per.data.dir num.replica.fetchers remote.fetch.max.wait.ms
        remote.log.manager.copier.thread.pool.size remote.log.manager.expiration.thread.pool.size
        remote.log.manager.follower.thread.pool.size remote.log.reader.threads
        share.coordinator.cached.buffer.max.bytes
    """,
    (ConfigType.INT, Dynamic.READ_ONLY): """
        add.partitions.to.txn.retry.backoff.max.ms add.partitions.to.txn.retry.backoff.ms
        alter.log.dirs.replication.quota.window.num alter.log.dirs.replication.quota.window.size.seconds
        broker.heartbeat.interval.ms broker.session.timeout.ms connection.failed.authentication.delay.ms
        controller.quorum.append.linger.ms controller.quorum.election.backoff.max.ms
        controller.quorum.election.timeout.ms controller.quorum.fetch.max.bytes
        controller.quorum.fetch.snapshot.max.bytes controller.quorum.fetch.timeout.ms
        controller.quorum.request.timeout.ms controller.quorum.retry.backoff.ms controller.quota.window.num
        controller.quota.window.size.seconds controller.socket.timeout.ms
        delete.records.purgatory.purge.interval.requests fetch.purgatory.purge.interval.requests
        group.consumer.heartbeat.interval.ms group.consumer.max.assignment.interval.ms
        group.consumer.max.heartbeat.interval.ms group.consumer.max.session.timeout.ms group.consumer.max.size
        group.consumer.min.assignment.interval.ms group.consumer.min.heartbeat.interval.ms
        group.consumer.min.session.timeout.ms group.consumer.regex.refresh.interval.ms
        group.consumer.session.timeout.ms group.coordinator.append.linger.ms group.coordinator.background.threads
        group.coordinator.threads group.share.delivery.count.limit group.share.heartbeat.interval.ms
        group.share.initialize.retry.interval.ms group.share.max.assignment.interval.ms
        group.share.max.delivery.count.limit group.share.max.heartbeat.interval.ms
        group.share.max.partition.max.record.locks group.share.max.record.lock.duration.ms
        group.share.max.session.timeout.ms group.share.max.share.sessions group.share.max.size
        group.share.min.assignment.interval.ms group.share.min.delivery.count.limit
        group.share.min.heartbeat.interval.ms group.share.min.partition.max.record.locks
        group.share.min.record.lock.duration.ms group.share.min.session.timeout.ms
        group.share.partition.max.record.locks group.share.record.lock.duration.ms group.share.session.timeout.ms
        group.streams.heartbeat.interval.ms group.streams.initial.rebalance.delay.ms
        group.streams.max.assignment.interval.ms group.streams.max.heartbeat.interval.ms
        group.streams.max.session.timeout.ms group.streams.max.size group.streams.max.standby.replicas
        group.streams.min.assignment.interval.ms group.streams.min.heartbeat.interval.ms
        group.streams.min.session.timeout.ms group.streams.num.standby.replicas group.streams.session.timeout.ms
        initial.broker.registration.timeout.ms internal.metadata.log.segment.bytes
        internal.metadata.max.batch.size.in.bytes kafka.metrics.polling.interval.secs
        log.flush.start.offset.checkpoint.interval.ms metadata.log.segment.bytes metadata.max.idle.interval.ms
        metrics.num.samples num.replica.alter.log.dirs.threads offsets.topic.compression.codec
        producer.purgatory.purge.interval.requests queued.max.requests quota.window.num quota.window.size.seconds
        remote.log.manager.copy.quota.window.num remote.log.manager.copy.quota.window.size.seconds
        remote.log.manager.fetch.quota.window.num remote.log.manager.fetch.quota.window.size.seconds
        remote.log.manager.thread.pool.size remote.log.metadata.custom.metadata.max.bytes
        remote.log.reader.max.pending.tasks replica.fetch.backoff.ms replica.fetch.max.bytes replica.fetch.min.bytes
        replica.fetch.response.max.bytes replica.fetch.wait.max.ms replica.socket.receive.buffer.bytes
        replica.socket.timeout.ms replication.quota.window.num replication.quota.window.size.seconds
        request.timeout.ms sasl.login.connect.timeout.ms sasl.login.read.timeout.ms
        sasl.oauthbearer.assertion.claim.exp.seconds sasl.oauthbearer.assertion.claim.nbf.seconds
        sasl.oauthbearer.clock.skew.seconds sasl.server.max.receive.size share.coordinator.append.linger.ms
        share.coordinator.cold.partition.snapshot.interval.ms share.coordinator.load.buffer.size
        share.coordinator.snapshot.update.records.per.snapshot share.coordinator.state.topic.compression.codec
        share.coordinator.state.topic.num.partitions share.coordinator.state.topic.prune.interval.ms
        share.coordinator.state.topic.segment.bytes share.coordinator.threads share.coordinator.write.timeout.ms
        share.fetch.purgatory.purge.interval.requests telemetry.max.bytes
        transaction.abort.timed.out.transaction.cleanup.interval.ms transaction.max.timeout.ms
        transaction.remove.expired.transaction.cleanup.interval.ms transaction.state.log.load.buffer.size
        transaction.state.log.min.isr transaction.state.log.num.partitions transaction.state.log.segment.bytes
        transactional.id.expiration.ms
    """,
    (ConfigType.LIST, Dynamic.CLUSTER_WIDE): """
        config.providers metric.reporters
    """,
    (ConfigType.LIST, Dynamic.PER_BROKER): """
        cordoned.log.dirs sasl.enabled.mechanisms sasl.kerberos.principal.to.local.rules ssl.cipher.suites
        ssl.enabled.protocols
    """,
    (ConfigType.LIST, Dynamic.READ_ONLY): """
        controller.quorum.bootstrap.servers controller.quorum.voters early.start.listeners group.consumer.assignors
        group.coordinator.rebalance.protocols group.share.assignors kafka.metrics.reporters
        sasl.oauthbearer.expected.audience
    """,
    (ConfigType.LONG, Dynamic.CLUSTER_WIDE): """
        log.cleaner.backoff.ms log.cleaner.dedupe.buffer.size remote.list.offsets.request.timeout.ms
        remote.log.index.file.cache.total.size.bytes remote.log.manager.copy.max.bytes.per.second
        remote.log.manager.fetch.max.bytes.per.second
    """,
    (ConfigType.LONG, Dynamic.PER_BROKER): """
        sasl.kerberos.min.time.before.relogin
    """,
    (ConfigType.LONG, Dynamic.READ_ONLY): """
        connections.max.reauth.ms controller.performance.always.log.threshold.ms
        controller.performance.sample.period.ms delegation.token.expiry.check.interval.ms
        delegation.token.expiry.time.ms delegation.token.max.lifetime.ms internal.metadata.delete.delay.millis
        leader.imbalance.check.interval.seconds log.dir.failure.timeout.ms
        metadata.log.max.record.bytes.between.snapshots metadata.log.max.snapshot.interval.ms
        metadata.log.segment.ms metadata.max.retention.bytes metadata.max.retention.ms metrics.sample.window.ms
        remote.log.index.file.cache.ttl.ms remote.log.manager.task.interval.ms
        remote.log.manager.task.retry.backoff.max.ms remote.log.manager.task.retry.backoff.ms
        replica.high.watermark.checkpoint.interval.ms replica.lag.time.max.ms sasl.login.retry.backoff.max.ms
        sasl.login.retry.backoff.ms sasl.oauthbearer.jwks.endpoint.refresh.ms
        sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms sasl.oauthbearer.jwks.endpoint.retry.backoff.ms
        server.max.startup.time.ms socket.connection.setup.timeout.max.ms socket.connection.setup.timeout.ms
        unclean.leader.election.interval.ms
    """,
    (ConfigType.PASSWORD, Dynamic.PER_BROKER): """
        sasl.jaas.config ssl.key.password ssl.keystore.certificate.chain ssl.keystore.key ssl.keystore.password
        ssl.truststore.certificates ssl.truststore.password
    """,
    (ConfigType.PASSWORD, Dynamic.READ_ONLY): """
        delegation.token.secret.key sasl.oauthbearer.assertion.private.key.passphrase
        sasl.oauthbearer.client.credentials.client.secret
    """,
    (ConfigType.SHORT, Dynamic.PER_BROKER): """
        sasl.login.refresh.buffer.seconds sasl.login.refresh.min.period.seconds
    """,
    (ConfigType.SHORT, Dynamic.READ_ONLY): """
        share.coordinator.state.topic.min.isr share.coordinator.state.topic.replication.factor
        transaction.state.log.replication.factor
    """,
    (ConfigType.STRING, Dynamic.PER_BROKER): """
        sasl.kerberos.kinit.cmd sasl.kerberos.service.name sasl.mechanism.inter.broker.protocol ssl.client.auth
        ssl.endpoint.identification.algorithm ssl.keymanager.algorithm ssl.keystore.location ssl.keystore.type
        ssl.protocol ssl.provider ssl.secure.random.implementation ssl.trustmanager.algorithm
        ssl.truststore.location ssl.truststore.type
    """,
    (ConfigType.STRING, Dynamic.READ_ONLY): """
        authorizer.class.name group.consumer.migration.policy group.share.persister.class.name
        inter.broker.listener.name metrics.recording.level remote.log.metadata.manager.class.name
        remote.log.metadata.manager.class.path remote.log.metadata.manager.impl.prefix
        remote.log.metadata.manager.listener.name remote.log.storage.manager.class.name
        remote.log.storage.manager.class.path remote.log.storage.manager.impl.prefix replica.selector.class
        sasl.mechanism.controller.protocol sasl.oauthbearer.assertion.algorithm sasl.oauthbearer.assertion.claim.aud
        sasl.oauthbearer.assertion.claim.iss sasl.oauthbearer.assertion.claim.sub sasl.oauthbearer.assertion.file
        sasl.oauthbearer.assertion.private.key.file sasl.oauthbearer.assertion.template.file
        sasl.oauthbearer.client.credentials.client.id sasl.oauthbearer.expected.issuer
        sasl.oauthbearer.jwks.endpoint.url sasl.oauthbearer.scope sasl.oauthbearer.scope.claim.name
        sasl.oauthbearer.sub.claim.name sasl.oauthbearer.token.endpoint.url security.inter.broker.protocol
        security.providers ssl.principal.mapping.rules
    """,
}

# Quotas that are in no table of Kafka's, since they can be set at run time alone (KIP-73, KIP-113).
_QUOTAS = (
    "leader.replication.throttled.rate",
    "follower.replication.throttled.rate",
    LOG_MOVES_BYTES_PER_SECOND_MAX,
)

INERT_PROPERTIES: Mapping[str, Property] = {
    row.name: row
    for row in (
        *(
            Property(name, kind, None, None, dynamic, "")
            for (kind, dynamic), names in _NAMES.items()
            for name in names.split()
        ),
        *(Property(name, ConfigType.LONG, None, at_least(0), Dynamic.CLUSTER_WIDE, "") for name in _QUOTAS),
    )
}

# What Kafka before 4.3 and the images around it had: files and compose files are older than the brokers they start.
_LEFTOVERS = re.compile(
    r"(zookeeper|confluent|password\.encoder)\..+"
    r"|(broker\.id\.generation|log\.message\.downconversion|group\.coordinator\.new|group\.share"
    r"|eligible\.leader\.replicas)\.enable"
    r"|inter\.broker\.protocol\.version|log\.message\.format\.version|log\.message\.timestamp\.difference\.max\.ms"
    r"|(reserved\.broker\.max\.id|control\.plane\.listener\.name|offsets\.commit\.required\.acks)"
    r"|controlled\.shutdown\.(max\.retries|retry\.backoff\.ms)|leader\.imbalance\.per\.broker\.percentage"
    r"|quota\.(consumer|producer)\.default|delegation\.token\.master\.key|auto\.include\.jmx\.reporter"
    r"|host\.name|port|advertised\.(host\.name|port)"
)
# What Kafka's authorizer reads, and what belongs to a provider or a plugin of Kafka's, under a prefix of its own.
_PLUGINS = re.compile(
    r"super\.users|allow\.everyone\.if\.no\.acl\.found"
    r"|(config\.providers|rsm\.config|rlmm\.config|metrics\.context)\..+"
)
_LISTENER_PREFIX = re.compile(r"listener\.name\.[^.]+\.(?P<name>.+)")
_LISTENER_LIMITS = ("max.connections", "max.connection.creation.rate", "num.network.threads")
_SASL_MECHANISM_PREFIX = re.compile(r"[^.]+\.(?P<name>sasl\..+|connections\.max\.reauth\.ms)")

MISSED = frozenset(
    (
        "alter.config.policy.class.name",
        "authorizer.class.name",
        "client.quota.callback.class",
        "create.topic.policy.class.name",
    )
)
"""Whoever sets these relies on what they keep clients from doing."""


def find_property(name: str) -> Property | None:
    """Return what is known of a property, None for one that neither Kafka nor Ottla has.

    That of a single listener, `listener.name.NAME.PROPERTY` (KIP-103), has the type of the property without the prefix,
    and can be set at run time whether that one can or not.
    """
    prefixed = _LISTENER_PREFIX.fullmatch(name)
    if prefixed is None:
        return _row(name)
    name_of_all = prefixed["name"]
    mechanism = _SASL_MECHANISM_PREFIX.fullmatch(name_of_all)
    row = _row(mechanism["name"] if mechanism else name_of_all)
    if row is None:
        return None
    dynamic = row.dynamic if name_of_all in _LISTENER_LIMITS else Dynamic.PER_BROKER
    return row._replace(name=name, default=None, dynamic=dynamic)


def is_of_kafka(name: str) -> bool:
    """Tell whether a name is or was one of Kafka's, or one that its plugins would read."""
    return find_property(name) is not None or bool(_LEFTOVERS.fullmatch(name) or _PLUGINS.fullmatch(name))


def _row(name: str) -> Property | None:
    return BROKER_PROPERTIES.get(name) or INERT_PROPERTIES.get(name)
