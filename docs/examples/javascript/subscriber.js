// Prints each defect event once, as a line of JSON, and its pictures when they are made.
//
//   npm ci
//   KAFKA=127.0.0.1:9092 npm start
//
// Settings: KAFKA (host:port, comma separated), TOPIC, PICTURES (the topic of explanations; empty:
// none is read), GROUP.
//
// kafkajs by itself unpacks gzip alone. On a topic that is packed with snappy, lz4 or zstd it needs a
// codec for that: https://kafka.js.org/docs/producing#compression

import { createHash } from "node:crypto";

import { Kafka as Binding } from "cloudevents";
import { Kafka, logLevel } from "kafkajs";

const DEFECT = "io.stream-inspector.defect.v1"; // another major version is another type
const EXPLANATION = "io.stream-inspector.explanation.v1";
const REMEMBERED = 10_000; // events

const {
  KAFKA = "127.0.0.1:9092",
  TOPIC = "defects",
  PICTURES = "explanations",
  GROUP = "defect-subscriber",
} = process.env;

const seen = new Set();
let passedOver = 0; // records that are no events

// kafkajs has headers as buffers, the CloudEvents SDK wants text.
function toEvent({ key, value, headers }) {
  // A header that was sent twice is a list of them: the last counts.
  const last = (data) => (Array.isArray(data) ? data.at(-1) : data) ?? "";
  const text = Object.entries(headers ?? {}).map(([name, data]) => [name, last(data).toString()]);
  return Binding.toEvent({
    key: key?.toString(),
    value: value?.toString(),
    headers: Object.fromEntries(text),
  });
}

// What others wrote must not drive a terminal: escapes for what is not plain ASCII.
function printable(text) {
  const escape = (sign) => "\\u" + sign.charCodeAt(0).toString(16).padStart(4, "0");
  return text.slice(0, 300).replace(/[^ -~]/g, escape);
}

// On a broker without transactions an event may come again, with the same outcome id and the same
// frame. The id alone is too little: a camera may use it for another part.
function isNew(event) {
  const said = JSON.stringify([event.type, event.id, event.data.frame]);
  const identity = createHash("sha256").update(said).digest("hex");
  if (seen.has(identity)) return false;
  seen.add(identity);
  if (seen.size > REMEMBERED) seen.delete(seen.values().next().value);
  return true;
}

// A verdict, which is out before there are pictures.
function defect(event) {
  const { frame, image_score, image_threshold, regions } = event.data;
  return {
    id: event.id,
    time: event.time,
    camera: frame.camera_id,
    category: frame.category,
    sequence: frame.sequence,
    score: image_score,
    threshold: image_threshold,
    boxes: regions.map((region) => region.box),
  };
}

// The pictures of that verdict: the same id and frame; null where there are none, and why.
function explanation(event) {
  const { frame, state, reason, evidence } = event.data;
  return {
    id: event.id,
    camera: frame.camera_id,
    sequence: frame.sequence,
    state,
    reason,
    picture: evidence.outline ?? evidence.frame,
    counterpart: evidence.counterpart,
  };
}

const summaries = new Map([[DEFECT, defect], [EXPLANATION, explanation]]);

const client = new Kafka({
  clientId: GROUP,
  brokers: KAFKA.split(","),
  logLevel: logLevel.WARN,
});
// Committed records only: events of an aborted transaction were never published. It is this
// client's default; the Java client wants isolation.level=read_committed.
const consumer = client.consumer({ groupId: GROUP, readUncommitted: false });

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => consumer.disconnect().then(() => process.exit(0)));
}

await consumer.connect();
await consumer.subscribe({ topics: [TOPIC, PICTURES].filter(Boolean), fromBeginning: true });
await consumer.run({
  eachMessage: async ({ topic, message, partition }) => {
    try {
      const event = toEvent(message);
      const summary = summaries.get(event.type);
      if (!summary) throw new Error(`type ${event.type}, expected ${[...summaries.keys()].join(" or ")}`);
      const line = JSON.stringify(summary(event)) + "\n"; // before the id counts as seen: it may be no event of ours
      if (isNew(event)) process.stdout.write(line);
    } catch (error) {
      // Read on: one foreign record must not stop the line, and whatever it throws, kafkajs would
      // bring it again for ever.
      passedOver += 1;
      const reason = printable(String(error.message));
      console.error(`${topic} ${partition} at ${message.offset}: passed over (${passedOver}): ${reason}`);
    }
  },
});
