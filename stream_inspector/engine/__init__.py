"""What runs the networks: PyTorch, or ONNX Runtime or OpenVINO where they are faster and agree.

Exporting and timing take seconds, so an engine is chosen when a model is loaded, never while frames
wait, and what was found is kept in a cache.
"""
