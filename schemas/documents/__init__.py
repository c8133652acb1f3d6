"""Documents made from the messages: JSON Schema, AsyncAPI, samples, the reference page."""
