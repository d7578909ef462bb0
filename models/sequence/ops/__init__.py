"""Causal convolution, every way to compute it: tensors in, tensors out, (B, D, L) throughout.

fft.py the definition and the long convolution by FFT, short.py few taps by shifted additions,
toeplitz.py some hundred taps by matrix products, state_passing.py diagonal state spaces in chunks,
monarch.py FFTs as products of small matrices, online.py one output a time, fused.py the Triton
kernel for CUDA. Every fast path has a twin that writes the equation literally.
"""
