#!/usr/bin/env bash
# One Apache Kafka broker (KRaft, broker and controller in one process) in the foreground, on loopback.
#
#   tests/lab/kafka.sh FOLDER PORT CONTROLLER_PORT [KEY=VALUE...]
#
# The data is under FOLDER and survives a restart with the same arguments; KEY=VALUE are further broker settings. Two of
# them are for this script: `lab.version=3.9.2` takes the older release (install.sh kafka39), and `lab.cluster.id=ID`
# makes brokers that are started one by one members of one cluster.
# Ready when it prints `Kafka Server started` (2 to 6 seconds). Run it under keep.sh, or end it by its process id.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lab=${SECOR_LAB:-$(cd "$here/../.." && pwd)/.lab}
folder=$1 port=$2 controller_port=$3
shift 3
version=4.3.1 cluster_id=
for setting in "$@"; do
    case $setting in
    lab.version=*) version=${setting#*=} ;;
    lab.cluster.id=*) cluster_id=${setting#*=} ;;
    esac
done
case $version in
3.9.*)
    jars=$lab/kafka-3.9/$version step=kafka39 release=(--release-version 3.9)
    logging=log4j.configuration=file:$folder/log4j.properties
    ;;
*)
    jars=$lab/kafka/$version step=kafka release=()
    logging=log4j2.configurationFile=$folder/log4j2.xml
    ;;
esac
[ -d "$jars" ] || {
    echo "lab: no Kafka $version in $lab: run tests/lab/install.sh $step" >&2
    exit 69
}
mkdir -p "$folder"

# Small internal topics, no waiting for more members, short sessions: a test's group settles in a second.
# Topics are created by the test that wants them. The cleaner's buffer is 128 MiB by default.
cat >"$folder/server.properties" <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller_port
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller_port
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=$folder/data
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=6000
group.consumer.min.heartbeat.interval.ms=300
group.consumer.heartbeat.interval.ms=1000
auto.create.topics.enable=false
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=200
log.cleaner.dedupe.buffer.size=4194304
log.retention.check.interval.ms=1000
EOF
for setting in "$@"; do
    # a later line wins in a properties file
    case $setting in lab.*) ;; *) echo "$setting" >>"$folder/server.properties" ;; esac
done
# warnings only, but for the line that says it is ready
cat >"$folder/log4j2.xml" <<EOF
<Configuration status="ERROR">
  <Appenders><Console name="out"><PatternLayout pattern="%d{HH:mm:ss.SSS} %p %m (%c{1})%n"/></Console></Appenders>
  <Loggers>
    <Logger name="kafka.server.KafkaRaftServer" level="INFO"/>
    <Root level="WARN"><AppenderRef ref="out"/></Root>
  </Loggers>
</Configuration>
EOF
cat >"$folder/log4j.properties" <<EOF
log4j.rootLogger=WARN, out
log4j.logger.kafka.server.KafkaRaftServer=INFO
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d{HH:mm:ss.SSS} %p %m (%c{1})%n
EOF

jvm() { exec java -Xms128m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel="$1" -D"$logging" -cp "$jars/*" "${@:2}"; }
if [ ! -f "$folder/data/meta.properties" ]; then
    cluster_id=${cluster_id:-$(head -c 16 /dev/urandom | base64 | tr '+/' 'ab' | cut -c 1-22)}
    (jvm 1 kafka.tools.StorageTool format -t "$cluster_id" "${release[@]}" -c "$folder/server.properties") >/dev/null
fi
jvm 4 kafka.Kafka "$folder/server.properties"
