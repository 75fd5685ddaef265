"""A network as an ONNX file with inherited weights, checked against PyTorch."""
