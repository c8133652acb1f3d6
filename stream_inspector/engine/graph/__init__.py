"""A model version -> ONNX graphs of its whole detector, written node by node; no PyTorch."""
