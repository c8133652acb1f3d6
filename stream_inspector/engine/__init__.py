"""What computes a model's scores: PyTorch, or ONNX Runtime or OpenVINO from one graph a category.

Graphs are written from the version's own tensors (`graph/`), in a moment and without PyTorch:
nothing is exported and nothing tried out.
"""
