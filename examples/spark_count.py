"""Spark Structured Streaming: count the words of a topic.

    spark-submit --packages org.apache.spark:spark-sql-kafka-0-10_2.13:4.0.0 examples/spark_count.py

The version is that of Spark, which says it as `spark-submit --version`; `pip install pyspark==4.0.0` and a Java of at
least 17 are all it needs. The program writes sentences to a topic, by Spark as well, and counts their words in a stream
that ends where the topic does. One sees, amid Spark's log on stderr:

    +------+-----+
    |word  |count|
    +------+-----+
    |broker|1    |
    |hello |3    |
    |spark |1    |
    |world |1    |
    +------+-----+
"""

import argparse
import tempfile

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

TOPIC = "sentences"
SENTENCES = ["hello world", "hello broker", "hello spark"]


def main(bootstrap_server: str) -> None:
    # 200 shuffle partitions is what Spark thinks of by default; a handful of words needs no more than one.
    spark = SparkSession.builder.appName("word count").config("spark.sql.shuffle.partitions", 1).getOrCreate()
    kafka = {"kafka.bootstrap.servers": bootstrap_server}

    sentences = spark.createDataFrame([(sentence,) for sentence in SENTENCES], "value string")
    sentences.write.format("kafka").options(**kafka, topic=TOPIC).save()

    messages = spark.readStream.format("kafka").options(**kafka, subscribe=TOPIC, startingOffsets="earliest").load()
    words = messages.select(f.explode(f.split(messages.value.cast("string"), " ")).alias("word"))
    with tempfile.TemporaryDirectory() as checkpoint:
        query = (
            words.groupBy("word")
            .count()
            .writeStream.format("memory")
            .queryName("counts")
            .outputMode("complete")
            .option("checkpointLocation", checkpoint)
            .trigger(availableNow=True)  # read what is there, then end; without it the query goes on for ever
            .start()
        )
        query.awaitTermination()
    spark.table("counts").orderBy("word").show(truncate=False)
    spark.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap-server", default="localhost:9092")
    main(parser.parse_args().bootstrap_server)
