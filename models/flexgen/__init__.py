"""FlexGen: generation with models larger than the memory.

Sheng, Zheng, Yuan, Li, Ryabinin, Fu, Xie, Chen, Barrett, Gonzalez, Liang, Re, Stoica, Zhang:
FlexGen: High-Throughput Generative Inference of Large Language Models with a Single GPU, ICML 2023
(arXiv 2303.06865).
"""
