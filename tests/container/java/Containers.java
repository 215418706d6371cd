import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.containers.Network;
import org.testcontainers.kafka.ConfluentKafkaContainer;
import org.testcontainers.kafka.KafkaContainer;
import org.testcontainers.utility.DockerImageName;

/**
 * Starts an image in place of Kafka's with each of Testcontainers' classes for Kafka, writes a record to each and reads
 * it back, and prints the name of each class with which that went well.
 *
 * Run from source: java -cp 'JARS/*' Containers.java IMAGE
 */
public class Containers {
    static final Duration PATIENCE = Duration.ofSeconds(30);
    static final int ATTEMPTS = 3;

    public static void main(String[] arguments) throws Exception {
        DockerImageName image = DockerImageName.parse(arguments[0]);
        DockerImageName asApache = image.asCompatibleSubstituteFor("apache/kafka");
        DockerImageName asConfluent = image.asCompatibleSubstituteFor("confluentinc/cp-kafka");

        try (KafkaContainer kafka = new KafkaContainer(asApache)) {
            check("KafkaContainer", kafka, kafka::getBootstrapServers);
        }
        try (Network network = Network.newNetwork();
                KafkaContainer kafka = new KafkaContainer(asApache).withNetwork(network).withListener("broker:19092")) {
            check("KafkaContainer with a listener", kafka, kafka::getBootstrapServers);
        }
        try (ConfluentKafkaContainer kafka = new ConfluentKafkaContainer(asConfluent)) {
            check("ConfluentKafkaContainer", kafka, kafka::getBootstrapServers);
        }
        try (var kafka = new org.testcontainers.containers.KafkaContainer(asConfluent).withKraft()) {
            check("the deprecated KafkaContainer with KRaft", kafka, kafka::getBootstrapServers);
        }
        try (var kafka = new org.testcontainers.containers.KafkaContainer(asConfluent)) {
            check("the deprecated KafkaContainer", kafka, kafka::getBootstrapServers);
        }
    }

    static void check(String name, GenericContainer<?> container, java.util.function.Supplier<String> bootstrap) {
        // Its shell may come to call the script that Testcontainers is still writing ("Text file busy"), in any image.
        container.withStartupTimeout(PATIENCE).withStartupAttempts(ATTEMPTS).start();
        String server = bootstrap.get().replaceFirst("^PLAINTEXT://", "");
        write(server);
        List<String> read = read(server);
        if (!read.equals(List.of("flat white"))) {
            throw new AssertionError(name + " has read " + read + "\n" + container.getLogs());
        }
        System.out.println(name);
    }

    static void write(String server) {
        Map<String, Object> settings = Map.of("bootstrap.servers", server);
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            producer.send(new ProducerRecord<>("coffees", "Ada", "flat white"));
        }
    }

    static List<String> read(String server) {
        Properties settings = new Properties();
        settings.putAll(Map.of("bootstrap.servers", server, "group.id", "baristas", "auto.offset.reset", "earliest"));
        List<String> values = new ArrayList<>();
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of("coffees"));
            long deadline = System.nanoTime() + PATIENCE.toNanos();
            while (values.isEmpty() && System.nanoTime() < deadline) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofSeconds(1))) {
                    values.add(record.value());
                }
            }
        }
        return values;
    }
}
