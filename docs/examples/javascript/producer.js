// Sends picture files as frames of one camera, in order, each once.
//
//   npm ci
//   KAFKA=127.0.0.1:9092 CAMERA=line-1 CATEGORY=bolts node producer.js 1.png 2.jpg
//
// Settings: KAFKA (host:port, comma separated), TOPIC, CAMERA, CATEGORY.

import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { Kafka, logLevel, Partitioners } from "kafkajs";

const KINDS = {
  ".png": "image/png",
  ".jpg": "image/jpeg",
  ".jpeg": "image/jpeg",
  ".bmp": "image/bmp",
  ".tif": "image/tiff",
  ".tiff": "image/tiff",
};
const { KAFKA = "127.0.0.1:9092", TOPIC = "frames", CAMERA, CATEGORY } = process.env;
const EPOCH = randomUUID(); // one start of this process: the sequence counts from 0 in it

// A frame's attributes; schemas/json/frame-headers.json has all of them.
function headers(sequence, file) {
  const kind = KINDS[extname(file).toLowerCase()];
  if (!kind) throw new Error(`${file}: none of ${Object.keys(KINDS).join(", ")}`);
  return {
    ce_specversion: "1.0",
    ce_id: randomUUID(), // of this frame: sent again, it keeps its id
    ce_source: `/cameras/${CAMERA}`,
    ce_type: "io.stream-inspector.frame.v1",
    ce_time: new Date().toISOString(), // of capture, with its zone
    "content-type": kind,
    ce_camera: CAMERA,
    ce_category: CATEGORY, // selects the model
    ce_sequence: String(sequence), // a gap in it is a frame that was lost, and an alarm
    ce_epoch: EPOCH,
  };
}

if (!CAMERA || !CATEGORY) throw new Error("set CAMERA and CATEGORY");
const client = new Kafka({ clientId: CAMERA, brokers: KAFKA.split(","), logLevel: logLevel.WARN });
const producer = client.producer({
  createPartitioner: Partitioners.DefaultPartitioner, // the partition of a key, as all Java clients
  idempotent: true, // no frame twice
  maxInFlightRequests: 1, // none out of order
});
await producer.connect();
try {
  for (const [sequence, file] of process.argv.slice(2).entries()) {
    const value = await readFile(file);
    const message = { key: CAMERA, value, headers: headers(sequence, file) };
    await producer.send({ topic: TOPIC, acks: -1, messages: [message] });
  }
  console.log(`${process.argv.length - 2} frames`);
} finally {
  await producer.disconnect();
}
