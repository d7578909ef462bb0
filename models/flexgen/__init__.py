"""FlexGen: generation with models larger than the memory.

Sheng, Zheng, Yuan, Li, Ryabinin, Fu, Xie, Chen, Barrett, Gonzalez, Liang, Re, Stoica, Zhang:
FlexGen: High-Throughput Generative Inference of Large Language Models with a Single GPU, ICML 2023
(arXiv 2303.06865).

engine.py opens a model under a policy (config.py) and runs blocks of batches (block.py, batch.py)
through the zig-zag schedule (schedule.py). Weights come from safetensors (weights.py) to their
tiers (homes.py, placement.py) and from there into two device buffers (streaming.py); cache.py and
hidden.py keep what a block makes. adapters/ knows the decoders, quantization.py the 4 bits,
counters.py the bytes and the paper's formulas for them. language_model.py is the back end.

Deviations
----------
- Without CUDA the device tier is memory that holds the compute type, the host tier memory that
  holds what the file or 4 bits hold, and the disk tier is read past the page cache.
- The barrier after every batch waits for cache and activations; for the next layer's weights only
  where a layer ends, so that their load hides behind all batches of the block.
- Attention and MLP are one layer. The output matrix is cut into slices no larger than a layer and
  streamed like layers; its place follows from the same rule. Input embeddings are never streamed:
  the rows that a step needs are looked up, or read one by one, and never compressed.
- Every batch of a block is padded to its own longest prompt, not all to one length.
- Decoding loads the past positions only (s + i - 1), in every path; the reference's copying path
  also moves the slot of the position that it is about to compute.
- Masked scores are minus infinity, not -1e4. Activations may be split over tiers, by sequences.
- Weights are grouped along their last axis, which is contiguous and can be decoded from a file as
  it comes; the reference groups along the output channels. What is kept is the step, not its
  inverse, which overflows fp16 for nearly constant groups. The last group is filled up with a
  value of its own rather than with zeros, which would stretch its range.
- The cache is grouped along positions, each channel of each head by itself, as KIVI (2402.02750)
  has it for keys: 64 positions are rounded when they are all there, and until then kept as they
  are. So is the very first position, after KVQuant (2401.18079). Grouped along a position's
  values, as in the paper, 4 bits cost SmolLM2 a tenth of its perplexity.
- Of the weights, 4 bits hold the layers' matrices only: the output matrix's errors would go into
  the logits unsoftened.
- The sparse cache is a simulation of the accuracy: values outside the top k are not attended to,
  but are moved all the same.
- OPT-350M (norms after the sub-layers) and rotary scalings that depend on the batch are refused.
"""
