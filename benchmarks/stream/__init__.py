"""The shell on Apache Kafka: cost a frame, scaling, transactions, memory."""
