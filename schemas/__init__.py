"""The wire: what travels on Kafka. Pydantic models and their CloudEvents envelope."""
