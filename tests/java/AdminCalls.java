import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.*;
import org.apache.kafka.common.resource.*;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Calls the methods of Kafka's Admin that a single broker without security can answer, most of them in passing through
 * the life of one topic and of one group, and prints a line of JSON for each call: its name and its result or error.
 *
 * Run from source: java -cp 'JARS/*' AdminCalls.java BOOTSTRAP TOPIC
 */
public class AdminCalls {
    interface Call {
        Object run() throws Exception;
    }

    static final ObjectMapper JSON = new ObjectMapper();
    static final long RECORD_TIMESTAMP_MS = 1_700_000_000_000L;
    static final int RECORDS = 3;
    static final int NOBODY = 77;

    final Admin admin;
    final String bootstrap;
    final String topic;
    final String doomedTopic;
    final String missingTopic;
    final String group;
    final TopicPartition first;
    final TopicPartition second;
    final int node;
    String directory;

    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        properties.put(AdminClientConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
        try (Admin admin = Admin.create(properties)) {
            AdminCalls calls = new AdminCalls(admin, arguments[0], arguments[1]);
            calls.cluster();
            calls.topics();
            calls.configs();
            calls.records();
            calls.replicas();
            calls.groups();
            calls.security();
            calls.ends();
        }
    }

    AdminCalls(Admin admin, String bootstrap, String topic) throws Exception {
        this.admin = admin;
        this.bootstrap = bootstrap;
        this.topic = topic;
        doomedTopic = topic + "-doomed";
        missingTopic = "no-" + topic;
        group = "group-of-" + topic;
        first = new TopicPartition(topic, 0);
        second = new TopicPartition(topic, 1);
        node = admin.describeCluster().controller().get().id();
    }

    void cluster() throws Exception {
        call("describeCluster", () -> {
            DescribeClusterResult cluster = admin.describeCluster(
                new DescribeClusterOptions().includeAuthorizedOperations(true).includeFencedBrokers(true));
            return Map.of(
                "clusterId", cluster.clusterId().get(),
                "controller", cluster.controller().get().id(),
                "nodes", strings(cluster.nodes().get()),
                "operations", strings(cluster.authorizedOperations().get()));
        });
        call("describeFeatures", () -> {
            FeatureMetadata features = admin.describeFeatures().featureMetadata().get();
            Map<String, List<Integer>> supported = new TreeMap<>();
            features.supportedFeatures().forEach(
                (name, range) -> supported.put(name, List.of((int) range.minVersion(), (int) range.maxVersion())));
            Map<String, Integer> finalized = new TreeMap<>();
            features.finalizedFeatures().forEach((name, range) -> finalized.put(name, (int) range.maxVersionLevel()));
            return Map.of("supported", supported, "finalized", finalized);
        });
        call("updateFeatures", () -> admin.updateFeatures(
            Map.of("nonsense.version", new FeatureUpdate((short) 1, FeatureUpdate.UpgradeType.UPGRADE)),
            new UpdateFeaturesOptions()).all().get());
        call("describeMetadataQuorum", () -> {
            QuorumInfo quorum = admin.describeMetadataQuorum().quorumInfo().get();
            List<Object> voters = new ArrayList<>();
            quorum.voters().forEach(voter -> voters.add(List.of(voter.replicaId(), voter.logEndOffset())));
            return Map.of(
                "leader", quorum.leaderId(),
                "epoch", quorum.leaderEpoch(),
                "highWatermark", quorum.highWatermark(),
                "voters", voters,
                "observers", quorum.observers().size(),
                "nodes", quorum.nodes().keySet());
        });
        call("unregisterBroker", () -> admin.unregisterBroker(NOBODY).all().get());
    }

    void topics() throws Exception {
        NewTopic wanted = new NewTopic(topic, 2, (short) 1).configs(Map.of("retention.ms", "60000"));
        call("createTopics, only validated", () -> {
            CreateTopicsResult created = admin.createTopics(
                List.of(wanted), new CreateTopicsOptions().validateOnly(true));
            return List.of(created.numPartitions(topic).get(), created.replicationFactor(topic).get());
        });
        call("createTopics", () -> {
            CreateTopicsResult created = admin.createTopics(
                List.of(wanted, new NewTopic(doomedTopic, Optional.empty(), Optional.empty())));
            created.all().get();
            return Map.of(
                "id", created.topicId(topic).get().toString(),
                "partitions", created.numPartitions(topic).get(),
                "replicationFactor", created.replicationFactor(topic).get(),
                "retention", entry(created.config(topic).get().get("retention.ms")));
        });
        call("createTopics, again", () -> admin.createTopics(List.of(wanted)).all().get());
        call("listTopics", () -> {
            TopicListing listing = admin.listTopics().namesToListings().get().get(topic);
            return List.of(listing.topicId().toString(), listing.isInternal());
        });
        call("createPartitions, only validated", () -> admin.createPartitions(
            Map.of(topic, NewPartitions.increaseTo(5)), new CreatePartitionsOptions().validateOnly(true)).all().get());
        call("createPartitions", () -> admin.createPartitions(
            Map.of(topic, NewPartitions.increaseTo(4, List.of(List.of(node), List.of(node))))).all().get());
        call("createPartitions, fewer", () -> admin.createPartitions(
            Map.of(topic, NewPartitions.increaseTo(3))).all().get());
        call("describeTopics", () -> description(admin.describeTopics(
            TopicCollection.ofTopicNames(List.of(topic)),
            new DescribeTopicsOptions().includeAuthorizedOperations(true).partitionSizeLimitPerResponse(2))
            .topicNameValues().get(topic).get()));
        Uuid id = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).topicId();
        call("describeTopics, by id", () -> description(admin.describeTopics(
            TopicCollection.ofTopicIds(List.of(id)), new DescribeTopicsOptions().includeAuthorizedOperations(true))
            .topicIdValues().get(id).get()));
        call("describeTopics, missing", () -> admin.describeTopics(List.of(missingTopic)).allTopicNames().get());
        call("describeTopics, missing id", () -> admin.describeTopics(
            TopicCollection.ofTopicIds(List.of(Uuid.randomUuid()))).allTopicIds().get());
    }

    void configs() throws Exception {
        ConfigResource ofTopic = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        ConfigResource ofBroker = new ConfigResource(ConfigResource.Type.BROKER, Integer.toString(node));
        call("describeConfigs", () -> {
            ConfigEntry size = admin.describeConfigs(
                List.of(ofTopic), new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true))
                .all().get().get(ofTopic).get("max.message.bytes");
            List<String> synonyms = new ArrayList<>();
            size.synonyms().forEach(synonym -> synonyms.add(synonym.source() + " " + synonym.name()));
            return Map.of(
                "entry", entry(size),
                "type", size.type().toString(),
                "readOnly", size.isReadOnly(),
                "synonyms", synonyms,
                "documented", !size.documentation().isBlank());
        });
        call("describeConfigs, of a broker", () -> {
            Config config = admin.describeConfigs(List.of(ofBroker)).all().get().get(ofBroker);
            ConfigEntry listeners = config.get("listeners");
            return Map.of("listeners", listeners.value(), "source", listeners.source().toString());
        });
        call("incrementalAlterConfigs", () -> {
            admin.incrementalAlterConfigs(Map.of(ofTopic, List.of(
                change("max.message.bytes", "2000", AlterConfigOp.OpType.SET),
                change("cleanup.policy", "compact", AlterConfigOp.OpType.APPEND),
                change("retention.ms", null, AlterConfigOp.OpType.DELETE)))).all().get();
            return null;
        });
        call("incrementalAlterConfigs, only validated", () -> admin.incrementalAlterConfigs(
            Map.of(ofTopic, List.of(change("max.message.bytes", "3000", AlterConfigOp.OpType.SET))),
            new AlterConfigsOptions().validateOnly(true)).all().get());
        call("incrementalAlterConfigs, invalid", () -> admin.incrementalAlterConfigs(
            Map.of(ofTopic, List.of(change("max.message.bytes", "-3", AlterConfigOp.OpType.SET)))).all().get());
        call("describeConfigs, altered", () -> {
            List<Object> own = new ArrayList<>();
            for (ConfigEntry each : admin.describeConfigs(List.of(ofTopic)).all().get().get(ofTopic).entries()) {
                if (each.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG) {
                    own.add(each.name() + "=" + each.value());
                }
            }
            return strings(own);
        });
        for (ConfigResource.Type type : ConfigResource.Type.values()) {
            call("listConfigResources, " + type, () -> {
                Set<String> names = new TreeSet<>();
                admin.listConfigResources(Set.of(type), new ListConfigResourcesOptions()).all().get()
                    .forEach(resource -> names.add(resource.name()));
                return names;
            });
        }
    }

    void records() throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        try (KafkaProducer<String, String> producer =
                 new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer())) {
            for (int number = 0; number < RECORDS; number++) {
                producer.send(new ProducerRecord<>(topic, 0, RECORD_TIMESTAMP_MS + number, "key", "value")).get();
            }
        }
        for (Map.Entry<String, OffsetSpec> spec : Map.of(
            "earliest", OffsetSpec.earliest(),
            "latest", OffsetSpec.latest(),
            "maxTimestamp", OffsetSpec.maxTimestamp(),
            "forTimestamp", OffsetSpec.forTimestamp(RECORD_TIMESTAMP_MS + 1)).entrySet()) {
            call("listOffsets, " + spec.getKey(), () -> {
                ListOffsetsResult.ListOffsetsResultInfo found =
                    admin.listOffsets(Map.of(first, spec.getValue())).partitionResult(first).get();
                return List.of(found.offset(), found.timestamp());
            });
        }
        call("describeProducers", () -> {
            List<Object> producers = new ArrayList<>();
            for (ProducerState state :
                admin.describeProducers(List.of(first)).partitionResult(first).get().activeProducers()) {
                producers.add(Map.of(
                    "epoch", state.producerEpoch(),
                    "lastSequence", state.lastSequence(),
                    "lastTimestamp", state.lastTimestamp(),
                    "inTransaction", state.currentTransactionStartOffset().isPresent()));
            }
            return producers;
        });
        call("deleteRecords", () -> admin.deleteRecords(Map.of(first, RecordsToDelete.beforeOffset(2)))
            .lowWatermarks().get(first).get().lowWatermark());
        call("deleteRecords, beyond the end", () -> admin.deleteRecords(
            Map.of(first, RecordsToDelete.beforeOffset(RECORDS + 1))).all().get());
    }

    void replicas() throws Exception {
        TopicPartitionReplica replica = new TopicPartitionReplica(topic, 0, node);
        call("describeReplicaLogDirs", () -> directory = admin.describeReplicaLogDirs(List.of(replica)).all().get()
            .get(replica).getCurrentReplicaLogDir());
        call("describeLogDirs", () -> {
            LogDirDescription described = admin.describeLogDirs(List.of(node)).allDescriptions().get().get(node)
                .get(directory);
            ReplicaInfo info = described.replicaInfos().get(first);
            return Map.of(
                "size", info.size(),
                "isFuture", info.isFuture(),
                "offsetLag", info.offsetLag(),
                "totalBytes", described.totalBytes().getAsLong(),
                "usableBytes", described.usableBytes().getAsLong());
        });
        call("alterReplicaLogDirs", () -> admin.alterReplicaLogDirs(Map.of(replica, directory)).all().get());
        call("alterReplicaLogDirs, nowhere", () -> admin.alterReplicaLogDirs(Map.of(replica, "/nowhere")).all().get());
        for (ElectionType type : ElectionType.values()) {
            call("electLeaders, " + type, () -> admin.electLeaders(type, Set.of(first)).all().get());
            call("electLeaders, all " + type, () -> {
                Map<TopicPartition, Optional<Throwable>> elected = admin.electLeaders(type, null).partitions().get();
                return strings(elected.keySet());
            });
        }
        call("alterPartitionReassignments", () -> admin.alterPartitionReassignments(
            Map.of(first, Optional.of(new NewPartitionReassignment(List.of(node))))).all().get());
        call("alterPartitionReassignments, to nobody", () -> admin.alterPartitionReassignments(
            Map.of(first, Optional.of(new NewPartitionReassignment(List.of(NOBODY))))).all().get());
        call("alterPartitionReassignments, cancelled", () -> admin.alterPartitionReassignments(
            Map.of(first, Optional.empty())).all().get());
        call("listPartitionReassignments", () -> admin.listPartitionReassignments().reassignments().get().size());
    }

    void groups() throws Exception {
        call("alterConsumerGroupOffsets", () -> admin.alterConsumerGroupOffsets(
            group, Map.of(first, new OffsetAndMetadata(2, "note"), second, new OffsetAndMetadata(0))).all().get());
        call("listConsumerGroupOffsets", () -> {
            Map<String, Object> offsets = new TreeMap<>();
            admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().forEach(
                (partition, offset) -> offsets.put(
                    Integer.toString(partition.partition()), List.of(offset.offset(), offset.metadata())));
            return offsets;
        });
        call("listGroups", () -> {
            for (GroupListing listing : admin.listGroups().all().get()) {
                if (listing.groupId().equals(group)) {
                    return List.of(
                        listing.type().get().toString(),
                        listing.groupState().get().toString(),
                        listing.protocol());
                }
            }
            return null;
        });
        call("describeConsumerGroups", () -> {
            ConsumerGroupDescription described =
                admin.describeConsumerGroups(List.of(group)).describedGroups().get(group).get();
            return Map.of(
                "type", described.type().toString(),
                "state", described.groupState().toString(),
                "coordinator", described.coordinator().id(),
                "members", described.members().size());
        });
        call("describeConsumerGroups, missing", () -> admin.describeConsumerGroups(List.of("no-" + group)).all().get());
        call("describeClassicGroups", () -> admin.describeClassicGroups(List.of(group)).describedGroups()
            .get(group).get().state().toString());
        call("deleteConsumerGroupOffsets", () -> admin.deleteConsumerGroupOffsets(group, Set.of(second)).all().get());
        call("listConsumerGroupOffsets, less", () -> admin.listConsumerGroupOffsets(group)
            .partitionsToOffsetAndMetadata().get().size());
        call("deleteConsumerGroups", () -> admin.deleteConsumerGroups(List.of(group)).all().get());
        call("deleteConsumerGroups, again", () -> admin.deleteConsumerGroups(List.of(group)).all().get());
    }

    void security() throws Exception {
        AclBinding binding = new AclBinding(
            new ResourcePattern(ResourceType.TOPIC, topic, PatternType.LITERAL),
            new AccessControlEntry("User:joe", "*", AclOperation.READ, AclPermissionType.ALLOW));
        call("describeAcls", () -> admin.describeAcls(AclBindingFilter.ANY).values().get());
        call("createAcls", () -> admin.createAcls(List.of(binding)).all().get());
        call("deleteAcls", () -> admin.deleteAcls(List.of(binding.toFilter())).all().get());
        call("describeClientQuotas", () -> admin.describeClientQuotas(ClientQuotaFilter.all()).entities().get().size());
        call("alterClientQuotas", () -> admin.alterClientQuotas(List.of(new ClientQuotaAlteration(
            new ClientQuotaEntity(Map.of(ClientQuotaEntity.USER, "joe")),
            List.of(new ClientQuotaAlteration.Op("nonsense", 1.0))))).all().get());
        call("describeUserScramCredentials", () -> admin.describeUserScramCredentials().all().get());
        call("describeUserScramCredentials, missing", () -> admin.describeUserScramCredentials(List.of("joe"))
            .description("joe").get());
    }

    void ends() throws Exception {
        call("deleteTopics", () -> admin.deleteTopics(TopicCollection.ofTopicNames(List.of(doomedTopic))).all().get());
        call("deleteTopics, missing", () -> admin.deleteTopics(List.of(missingTopic)).all().get());
        call("deleteTopics, missing id", () -> admin.deleteTopics(
            TopicCollection.ofTopicIds(List.of(Uuid.randomUuid()))).all().get());
    }

    static void call(String name, Call call) throws Exception {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("name", name);
        try {
            line.put("result", call.run());
        } catch (Exception error) {
            Throwable cause = error instanceof ExecutionException ? error.getCause() : error;
            line.put("error", cause.getClass().getSimpleName());
            line.put("message", cause.getMessage());
        }
        System.out.println(JSON.writeValueAsString(line));
    }

    static Map<String, Object> description(TopicDescription topic) {
        List<Object> partitions = new ArrayList<>();
        for (TopicPartitionInfo each : topic.partitions()) {
            List<Integer> replicas = new ArrayList<>();
            each.replicas().forEach(replica -> replicas.add(replica.id()));
            partitions.add(List.of(each.partition(), each.leader().id(), replicas, each.isr().size()));
        }
        return Map.of(
            "id", topic.topicId().toString(),
            "name", topic.name(),
            "partitions", partitions,
            "operations", strings(topic.authorizedOperations()));
    }

    static AlterConfigOp change(String name, String value, AlterConfigOp.OpType operation) {
        return new AlterConfigOp(new ConfigEntry(name, value), operation);
    }

    static String entry(ConfigEntry entry) {
        return entry.name() + "=" + entry.value() + " " + entry.source();
    }

    static List<String> strings(Collection<?> values) {
        List<String> strings = new ArrayList<>();
        values.forEach(value -> strings.add(value.toString()));
        Collections.sort(strings);
        return strings;
    }
}
